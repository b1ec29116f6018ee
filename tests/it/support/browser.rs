//! A person's browser, as far as pages are concerned: cookies, and one form.

use std::net::SocketAddr;
use std::time::Duration;

/// A login session at the web view.
pub struct Browser {
    agent: ureq::Agent,
    web: SocketAddr,
    cookies: Vec<String>,
}

impl Browser {
    /// Logs in by a link for one login, as `minxin user link` prints it.
    pub fn log_in(web: SocketAddr, link: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        let mut browser = Self { agent, web, cookies: Vec::new() };
        let path = link.split_once("/login").map(|(_, rest)| format!("/login{rest}")).expect("a login link");
        let form = browser.page(&path);
        let field = |name: &str| {
            let (_, rest) =
                form.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{name}: {form}"));
            rest.split('"').next().expect("a value").to_owned()
        };
        let body = format!("csrf={}&token={}", field("csrf"), field("token"));
        let response = browser
            .agent
            .post(format!("http://{web}/login/once"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", format!("http://{web}"))
            .header("cookie", browser.cookies.join("; "))
            .send(body)
            .expect("an answer");
        assert!(response.status().is_redirection(), "{response:?}");
        browser.keep(response.headers());
        browser
    }

    /// The text of a page.
    pub fn page(&mut self, path: &str) -> String {
        let mut response = self
            .agent
            .get(format!("http://{}{path}", self.web))
            .header("cookie", self.cookies.join("; "))
            .call()
            .unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(response.status(), 200, "{path}");
        self.keep(&response.headers().clone());
        response.body_mut().read_to_string().expect("text")
    }

    fn keep(&mut self, headers: &ureq::http::HeaderMap) {
        for value in headers.get_all("set-cookie") {
            let pair = value.to_str().expect("a cookie").split(';').next().expect("its name and value").to_owned();
            let name = pair.split('=').next().expect("a name").to_owned();
            self.cookies.retain(|kept| kept.split('=').next() != Some(name.as_str()));
            self.cookies.push(pair);
        }
    }
}
