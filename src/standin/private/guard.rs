//! A server process that cannot outlive its handle, and the user that it runs as.
//!
//! Between us and the server stands a shell that waits for the end of its standard input. However this process
//! ends, the system closes that pipe, and the shell ends the server and removes its folder.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::Error;

/// Arguments: the folder, the signal that ends the server, then the server's own. A line on standard input is
/// another signal, after which the folder stays.
const SHELL: &str = r#"
folder=$1; ending=$2; shift 2
cd "$folder" || exit 1
"$@" </dev/null >>server.log 2>&1 &
server=$!
if read -r signal; then
  kill -s "$signal" "$server"; wait "$server"
else
  kill -s "$ending" "$server"; wait "$server"
  cd / && rm -rf "$folder"
fi
"#;
/// How often a condition is looked at that nobody announces.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How many looks are enough for a server to come or go, however busy the machine is: a minute.
pub(super) const LOOKS: u32 = 3_000;

/// A folder of a server's own, and the user that the server runs as.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    /// User and group; `None`: as we do. Servers refuse to run as root.
    user: Option<(u32, u32)>,
}

impl Place {
    /// Makes a folder in another, for a server that is best run as `user` when we are root.
    pub(super) fn make(parent: &Path, name: &str, user: &str) -> Result<Place, Error> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("campanile-{name}-{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let user = if id("-u", None) == Some(0) { other_user(user) } else { None };
        if let Some((user, group)) = user {
            chown(&folder, Some(user), Some(group))?;
            let mode = fs::metadata(parent)?.permissions().mode();
            // The other user must be able to pass through.
            fs::set_permissions(parent, fs::Permissions::from_mode(mode | 0o011))?;
        }
        Ok(Place { folder, user })
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program that runs in the folder as the server's user and hears no signals of our terminal.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    /// Writes a file that the server's user can read and nobody else.
    pub(super) fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        if let Some((user, group)) = self.user {
            chown(&path, Some(user), Some(group))?;
        }
        Ok(path)
    }

    /// The last lines of the server's log.
    pub(super) fn said(&self) -> String {
        let log = fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Gone already if the server ended with its guard.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A running server. Dropping it ends the server and removes its folder.
#[derive(Debug)]
pub(super) struct Guard {
    shell: Child,
}

impl Guard {
    /// Starts a server in its place; `ending` is the signal that ends it.
    pub(super) fn start(place: &Place, ending: &str, program: &Path, arguments: &[String]) -> io::Result<Guard> {
        let mut command = place.command(Path::new("/bin/sh"));
        command.args(["-c", SHELL, "guard"]).arg(place.folder()).arg(ending).arg(program).args(arguments);
        Ok(Guard { shell: command.stdin(Stdio::piped()).spawn()? })
    }

    /// Sends the server a signal that ends it, such as `INT` or `KILL`, and waits until it is gone. Its folder
    /// stays.
    pub(super) fn signal(mut self, signal: &str) -> io::Result<()> {
        if let Some(mut words) = self.shell.stdin.take() {
            writeln!(words, "{signal}")?;
        }
        self.wait();
        Ok(())
    }

    fn wait(&mut self) {
        for _ in 0..LOOKS {
            match self.shell.try_wait() {
                Ok(None) => thread::sleep(LOOK_EVERY),
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.wait();
    }
}

/// The user's and group's number, or those of the user that is nobody.
fn other_user(name: &str) -> Option<(u32, u32)> {
    [name, "nobody"].into_iter().find_map(|name| Some((id("-u", Some(name))?, id("-g", Some(name))?)))
}

fn id(what: &str, user: Option<&str>) -> Option<u32> {
    let said = Command::new("id").arg(what).args(user).stderr(Stdio::null()).output().ok()?;
    if said.status.success() { String::from_utf8(said.stdout).ok()?.trim().parse().ok() } else { None }
}
