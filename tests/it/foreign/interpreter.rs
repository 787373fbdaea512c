//! Interpreters of the examples, as `tests/run` prepares them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::House;

/// How long an example may take; compiling the interface on a busy machine is most of it.
const EXAMPLE_DEADLINE: Duration = Duration::from_secs(120);

/// A language with its examples ready to run.
pub struct Interpreter {
    program: OsString,
    examples: PathBuf,
    extension: &'static str,
    _folder: Option<TempDir>,
}

impl Interpreter {
    /// Python with the packages of `examples/python/requirements.txt`.
    pub fn python() -> Option<Interpreter> {
        let program = prepared("CAMPANILE_TEST_PYTHON", "the Python examples")?;
        Some(Interpreter { program, examples: root().join("examples/python"), extension: "py", _folder: None })
    }

    /// Node with the packages of `examples/node/package.json`. Node looks for packages beside or above the file
    /// that imports them, so the examples are copied to where the prepared packages are above them.
    pub fn node() -> Option<Interpreter> {
        let modules = prepared("CAMPANILE_TEST_NODE_MODULES", "the Node examples")?;
        let folder = tempfile::tempdir().unwrap();
        let examples = folder.path().join("examples/node");
        fs::create_dir_all(&examples).unwrap();
        for entry in fs::read_dir(root().join("examples/node")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "mjs") {
                fs::copy(&path, examples.join(path.file_name().unwrap())).unwrap();
            }
        }
        link(Path::new(&modules), &folder.path().join("node_modules"));
        link(&root().join("proto"), &folder.path().join("proto"));
        Some(Interpreter { program: "node".into(), examples, extension: "mjs", _folder: Some(folder) })
    }

    /// PHP without any package; its examples call over HTTP.
    pub fn php() -> Option<Interpreter> {
        let program = prepared("CAMPANILE_TEST_PHP", "the PHP examples")?;
        Some(Interpreter { program, examples: root().join("examples/php"), extension: "php", _folder: None })
    }

    /// A shell with curl; its examples call over HTTP.
    pub fn shell() -> Option<Interpreter> {
        prepared("CAMPANILE_TEST_CURL", "the curl examples")?;
        Some(Interpreter {
            program: "sh".into(),
            examples: root().join("examples/curl"),
            extension: "sh",
            _folder: None,
        })
    }

    /// Starts an example with the application's key.
    pub fn start(&self, house: &House, example: &str, arguments: &[&str]) -> Example {
        let mut command = Command::new(&self.program);
        command.arg(self.examples.join(example).with_extension(self.extension)).args(arguments);
        command.env("CAMPANILE_URL", house.url()).env("CAMPANILE_HTTP_URL", house.http_url());
        command.env("CAMPANILE_TOKEN", &house.campus.live);
        run(command, &self.examples)
    }

    /// Starts a script of its language that stands beside the examples.
    pub fn script(&self, script: &str) -> Example {
        let mut command = Command::new(&self.program);
        command.args(["-c", script]);
        run(command, &self.examples)
    }
}

fn run(mut command: Command, folder: &Path) -> Example {
    command.current_dir(folder).env("PYTHONUTF8", "1").env("PYTHONDONTWRITEBYTECODE", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    Example { child, lines, said: Vec::new() }
}

/// A running example.
pub struct Example {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Its lines so far.
    pub said: Vec<String>,
}

impl Example {
    /// Waits until it says a line that begins so.
    pub async fn says(&mut self, begins: &str) {
        let wait = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                self.said.push(line);
                if self.said.last().is_some_and(|line| line.starts_with(begins)) {
                    return true;
                }
            }
            false
        };
        let heard = timeout(EXAMPLE_DEADLINE, wait).await;
        assert_eq!(heard, Ok(true), "no line begins with {begins:?}: {:#?}", self.said);
    }

    /// Waits until it ends.
    pub async fn ends(&mut self) -> ExitStatus {
        let wait = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                self.said.push(line);
            }
            self.child.wait().await.unwrap()
        };
        let ended = timeout(EXAMPLE_DEADLINE, wait).await;
        ended.unwrap_or_else(|_| panic!("it does not end: {:#?}", self.said))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `tests/run` has prepared, or a loud word past the test runner's capture that it was not there.
#[expect(clippy::explicit_write, reason = "the test runner shows nothing of eprintln! when the test passes")]
fn prepared(variable: &str, what: &str) -> Option<OsString> {
    let found = env::var_os(variable).filter(|value| !value.is_empty());
    if found.is_none() {
        writeln!(std::io::stderr(), "NOT VERIFIED: {what}; {variable} is not set, run tests/run").unwrap();
    }
    found
}

#[cfg(unix)]
fn link(original: &Path, at: &Path) {
    std::os::unix::fs::symlink(original, at).unwrap();
}

#[cfg(windows)]
fn link(original: &Path, at: &Path) {
    std::os::windows::fs::symlink_dir(original, at).unwrap();
}
