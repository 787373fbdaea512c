//! A private Redis server that keeps nothing: whenever it starts it is empty.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rand::Rng;

use super::guard::{Guard, LOOK_EVERY, LOOKS, Place};
use super::{Error, free_port};

const PROGRAM: &str = "redis-server";
/// Where distributions keep it; not everybody's path has all of them.
const FOLDERS: [&str; 3] = ["/usr/bin", "/usr/local/bin", "/usr/sbin"];
/// How long the server may take to answer when it is asked whether it is there.
const ANSWER: Duration = Duration::from_secs(1);

/// A private Redis server. Dropping it ends the server.
#[derive(Debug)]
pub struct Redis {
    /// `None` while it is stopped. Stands before `place`: the server ends before its folder goes.
    guard: Option<Guard>,
    place: Place,
    program: PathBuf,
    port: u16,
    password: String,
}

impl Redis {
    /// Starts a server in a new folder in `parent`, through which its user must be able to pass.
    ///
    /// # Errors
    /// The package is missing, or the server cannot start.
    pub fn start(parent: &Path) -> Result<Redis, Error> {
        let found = FOLDERS.iter().map(|folder| Path::new(folder).join(PROGRAM)).find(|program| program.is_file());
        let program = found.ok_or(Error::Missing { program: PROGRAM, package: PROGRAM })?;
        let place = Place::make(parent, "redis", "redis")?;
        let password = format!("{:032x}", rand::rng().random::<u128>());
        let mut server = Redis { guard: None, place, program, port: free_port()?, password };
        server.resume()?;
        Ok(server)
    }

    /// The URL of this server.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The URL of this server when it is reached through another port of this machine.
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        format!("redis://:{}@127.0.0.1:{port}", self.password)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server; connections break, and everything in it is gone.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.guard.take().map_or(Ok(()), |guard| Ok(guard.signal("KILL")?))
    }

    /// Starts the server again after a kill, empty, on the same port, and waits until it answers.
    ///
    /// # Errors
    /// The server does not start.
    pub fn resume(&mut self) -> Result<(), Error> {
        // The password is in a file: everybody on the machine can read arguments.
        let secret = format!("requirepass {}\n", self.password);
        let file = self.place.write("redis.conf", &secret)?;
        let settings = [
            "--port",
            &self.port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--daemonize",
            "no",
        ];
        let mut arguments = vec![file.display().to_string()];
        arguments.extend(settings.map(str::to_owned));
        self.guard = Some(Guard::start(&self.place, "TERM", &self.program, &arguments)?);
        for _ in 0..LOOKS {
            if self.answers() {
                return Ok(());
            }
            thread::sleep(LOOK_EVERY);
        }
        Err(Error::Failed { program: PROGRAM, said: self.place.said() })
    }

    /// Any answer will do, also the one that asks for a password.
    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(ANSWER))?;
            stream.write_all(b"PING\r\n")?;
            Ok(stream.read(&mut [0; 64])? > 0)
        };
        ask().unwrap_or(false)
    }
}
