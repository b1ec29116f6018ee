//! The second half of `minxin demo`: the case is done, and the resident is rung back and asked about it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::sync::{broadcast, mpsc};

use crate::app::Gateway;
use crate::app::phone::{OnHook, Step};
use crate::clock::{monotonic, wall};
use crate::config::{Config, Transport, Trunk};
use crate::ids::{CallId, CaseNumber, PhoneNumber};
use crate::store::campaigns::{self, NewCampaign, Sampled};
use crate::store::results;
use crate::survey::Survey;
use crate::web::live::{Event, News};

/// The questionnaire, below the home folder.
const SURVEY: &str = "config/surveys/callback.toml";

/// The trunk to the resident's telephone.
const TRUNK: &str = "demo";

/// How long the resident listens before pressing a key.
const THINKS: Duration = Duration::from_millis(1_200);

/// Longest wait for the call, and longest call.
const PATIENCE: Duration = Duration::from_secs(20);
const CALL_LIMIT: Duration = Duration::from_secs(150);

/// The line under which survey calls are on the board.
const LINE: &str = "回访";

/// The keys that the resident presses, by question. The scales are heard turned round as often as not; key 4 is content
/// in one direction and not quite in the other.
const ANSWERS: [(&str, &str); 7] = [
    ("solved", "1"),
    ("kept", "1"),
    ("attitude", "4"),
    ("overall", "4"),
    ("trips", "2#"),
    ("more", "2"),
    ("coached", "2"),
];

/// The resident's telephone, on the hook, and the way to it.
pub(super) struct Resident {
    telephone: OnHook,
}

impl Resident {
    /// Plugs the telephone in and makes it the only way out: a demo rings nobody else.
    pub(super) async fn new(config: &mut Config) -> anyhow::Result<Self> {
        let telephone = OnHook::new(IpAddr::V4(Ipv4Addr::LOCALHOST)).await?;
        config.trunks = vec![Trunk {
            name: TRUNK.into(),
            address: telephone.addr()?.to_string(),
            transport: Transport::Udp,
            login: None,
            realm: None,
            caller_id: config.lines[0].numbers[0].clone(),
            assert_identity: false,
            srtp: false,
            channels: 1,
            cps: 1,
            calls_per_hour: 10,
            calls_per_day: 10,
            register: None,
        }];
        // Somebody may want to see it in the evening.
        config.dialling.always_open = true;
        Ok(Self { telephone })
    }

    /// Is rung about `case`, answers, and shows what is known afterwards.
    pub(super) async fn be_asked(
        mut self,
        gateway: &Gateway,
        config: &Config,
        number: &str,
        case: i64,
    ) -> anyhow::Result<()> {
        let path = config.home.join(SURVEY);
        let body = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let survey = Survey::parse(&body).map_err(|p| anyhow::anyhow!("{}: {p:?}", path.display()))?;
        let number = PhoneNumber::parse(number).context("the resident has no number")?;
        let (now, pool) = (wall(), gateway.store().pool());
        let new = NewCampaign {
            survey: survey.name.clone(),
            hash: survey.hash.clone(),
            body,
            trunk: TRUNK.into(),
            seed: u64::try_from(case).unwrap_or_default(),
            attempts_max: 1,
            standing: false,
            created_by: "demo".into(),
            sample: vec![Sampled::new(number, Some(CaseNumber::try_from(case)?), now)],
        };
        let (does, live) = mpsc::channel(4);
        let keys = tokio::spawn(answer_questions(gateway.board().follow(None).1, does));
        let campaign = campaigns::create(pool, &new, now).await?;
        let talk = self.telephone.answer(live, PATIENCE, CALL_LIMIT).await;
        keys.abort();
        let talk = talk?;
        let until = monotonic() + PATIENCE;
        let progress = loop {
            let progress = campaigns::progress(pool, campaign).await?;
            if progress.remaining == 0 {
                break progress;
            }
            ensure!(monotonic() < until, "the campaign does not end");
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        println!(
            "      answered; first sound {:.0} ms later; {:.1} s long; {} packets heard, {} lost",
            talk.first_audio.unwrap_or_default().as_secs_f64() * 1e3,
            talk.duration.as_secs_f64(),
            talk.quality.packets_received,
            talk.quality.lost
        );
        for (disposition, count) in &progress.dispositions {
            println!("      disposition {}  {count}", disposition.code());
        }
        let respondents = results::respondents(pool, campaign).await?;
        for answer in respondents.iter().flat_map(|respondent| &respondent.given) {
            let title = survey.question(&answer.question).map_or("-", |(_, asked)| asked.title.as_str());
            println!("      {title}  {}", answer.value);
        }
        self.telephone.unplug().await;
        let complete = progress.dispositions.iter().any(|(d, n)| d.code() == "1.1" && *n == 1);
        ensure!(complete, "the interview was not complete: {:?}", progress.dispositions);
        Ok(())
    }
}

/// Follows the live board, and presses the key of each question that is put.
async fn answer_questions(mut board: broadcast::Receiver<Arc<Event>>, does: mpsc::Sender<Step>) {
    let (mut ours, mut state): (Option<CallId>, _) = (None, String::new());
    while let Ok(event) = board.recv().await {
        let News::Call(call) = &event.news else { continue };
        if call.line != LINE || *ours.get_or_insert(call.id) != call.id || call.state == state {
            continue;
        }
        state.clone_from(&call.state);
        let Some((_, keys)) = ANSWERS.iter().find(|(question, _)| *question == state) else { continue };
        tokio::time::sleep(THINKS).await;
        if does.send(Step::Press((*keys).into())).await.is_err() {
            return;
        }
    }
}
