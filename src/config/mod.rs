//! The settings: defaults compiled in, one file, then the environment. What is not known refuses to start, with
//! the nearest known name.

mod layers;
mod review;
mod settings;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use settings::{Campus, Channels, Coordination, Grpc, Http, Limits, Log, Node, Settings, Store, Tls};

/// The file that is read when none is named, if it exists.
pub const FILE: &str = "campanile.toml";

/// The compiled-in defaults with their comments; also the sample for operators.
pub const DEFAULTS: &str = include_str!("default.toml");

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the settings file {path} cannot be read: {fault}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        fault: io::Error,
    },
    /// The file is no TOML.
    #[error("{from} is not TOML: {fault}")]
    Syntax {
        /// Where the text came from.
        from: String,
        /// What is wrong and where.
        fault: String,
    },
    /// A key is unknown or has a value that it cannot have.
    #[error("{0}")]
    Value(String),
}

/// The settings of this start: defaults, then the file, then the environment.
///
/// # Errors
/// Whatever makes them unusable, as a sentence for the operator.
pub fn load(file: Option<&Path>) -> Result<Settings, Error> {
    let mut tree = layers::parse(DEFAULTS, "the compiled-in default")?;
    let found = file.map(Path::to_owned).or_else(|| Some(PathBuf::from(FILE)).filter(|path| path.exists()));
    if let Some(path) = found {
        let text = fs::read_to_string(&path).map_err(|fault| Error::File { path: path.clone(), fault })?;
        layers::merge(&mut tree, layers::parse(&text, &path.display().to_string())?);
    }
    layers::merge_environment(&mut tree, std::env::vars_os())?;
    settings::read(tree)
}

/// The compiled-in defaults, without file and environment; for tests and demonstrations.
///
/// # Errors
/// None, unless the compiled-in file is damaged.
pub fn defaults() -> Result<Settings, Error> {
    settings::read(layers::parse(DEFAULTS, "the compiled-in default")?)
}
