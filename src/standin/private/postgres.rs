//! A private PostgreSQL server that keeps what it confirms: every durability setting is on.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use rand::Rng;

use super::guard::{Guard, LOOK_EVERY, LOOKS, Place};
use super::{Error, free_port};

const PACKAGE: &str = "postgresql";
/// The user of the databases.
const USER: &str = "campanile";
/// Where distributions keep the programs of a server, which are not on everybody's path.
const FOLDERS: [&str; 3] = ["/usr/lib/postgresql", "/usr/local/bin", "/usr/bin"];

/// A private PostgreSQL server. Dropping it ends the server and removes its data.
#[derive(Debug)]
pub struct Postgres {
    /// `None` while it is stopped. Stands before `place`: the server ends before its folder goes.
    guard: Option<Guard>,
    place: Place,
    programs: PathBuf,
    port: u16,
    password: String,
}

impl Postgres {
    /// Makes and starts a server in a new folder in `parent`, through which its user must be able to pass.
    /// Takes a second or two.
    ///
    /// # Errors
    /// The package is missing, or the server cannot start.
    pub fn start(parent: &Path) -> Result<Postgres, Error> {
        let programs = programs().ok_or(Error::Missing { program: "the PostgreSQL server", package: PACKAGE })?;
        let place = Place::make(parent, "postgres", "postgres")?;
        let password = format!("{:032x}", rand::rng().random::<u128>());
        initialise(&place, &programs, &password)?;
        let mut server = Postgres { guard: None, place, programs, port: free_port()?, password };
        server.resume()?;
        Ok(server)
    }

    /// The URL of a database of this server; `postgres` is there from the start.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/{database}?sslmode=disable", self.password, self.port)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server as its operator would; connections break, data stays.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.guard.take().map_or(Ok(()), |guard| Ok(guard.signal("INT")?))
    }

    /// Stops the server as a crash would: nothing is written any more, and the next start recovers.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub fn crash(&mut self) -> Result<(), Error> {
        self.guard.take().map_or(Ok(()), |guard| Ok(guard.signal("QUIT")?))
    }

    /// Starts the server again after a stop, on the same port with the same data, and waits until it answers.
    ///
    /// # Errors
    /// The server does not start.
    pub fn resume(&mut self) -> Result<(), Error> {
        let settings = [
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "max_connections=200".to_owned(),
            "fsync=on".to_owned(),
            "full_page_writes=on".to_owned(),
            "synchronous_commit=on".to_owned(),
        ];
        let mut arguments = vec!["-D".to_owned(), "data".to_owned()];
        arguments.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
        // SIGINT is PostgreSQL's fast shutdown: it waits for nobody.
        self.guard = Some(Guard::start(&self.place, "INT", &self.programs.join("postgres"), &arguments)?);
        for _ in 0..LOOKS {
            let mut ask = self.place.command(&self.programs.join("pg_isready"));
            let port = self.port.to_string();
            if ask.args(["-q", "-h", "127.0.0.1", "-d", "postgres", "-p", &port]).status()?.success() {
                return Ok(());
            }
            thread::sleep(LOOK_EVERY);
        }
        Err(Error::Failed { program: "postgres", said: self.place.said() })
    }
}

fn initialise(place: &Place, programs: &Path, password: &str) -> Result<(), Error> {
    let secret = place.write("password", password)?;
    let mut command = place.command(&programs.join("initdb"));
    command.args(["-D", "data", "-U", USER, "--encoding=UTF8", "--locale=C", "--no-sync"]);
    // In clear text it never leaves the machine, and a debug build spends no time on hashing it.
    command.arg("--auth=password").arg(format!("--pwfile={}", secret.display()));
    let ran = command.stderr(std::process::Stdio::piped()).output()?;
    fs::remove_file(secret)?;
    if ran.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ran.stderr).trim().replace('\n', " / ");
    Err(Error::Failed { program: "initdb", said })
}

/// The folder with the newest server's programs.
fn programs() -> Option<PathBuf> {
    let mut folders: Vec<(u32, PathBuf)> = Vec::new();
    for folder in FOLDERS.map(Path::new) {
        folders.push((0, folder.to_owned()));
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if let Some(version) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                folders.push((version, entry.path().join("bin")));
            }
        }
    }
    folders.sort_by(|a, b| b.cmp(a));
    let whole = |folder: &Path| ["initdb", "postgres", "pg_isready"].iter().all(|name| folder.join(name).is_file());
    folders.into_iter().map(|(_, folder)| folder).find(|folder| whole(folder))
}
