//! A server that encrypts, and keys that are bound to a client certificate.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::commands::{free_address, program, serve};

const READY_DEADLINE: Duration = Duration::from_secs(30);

/// An authority, a certificate of the server and two of clients, all in one folder.
fn certificates(folder: &Path) {
    let openssl = |arguments: &[&str]| {
        let done = Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
    let authority = ["-addext", "basicConstraints=critical,CA:TRUE", "-subj", "/CN=Campus CA"];
    openssl(&[&new[..], &authority, &["-keyout", "ca.key", "-out", "ca.pem"]].concat());
    for (name, extension) in [
        ("server", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ("registrar", "extendedKeyUsage=clientAuth"),
        ("library", "extendedKeyUsage=clientAuth"),
    ] {
        let (key, pem, subject) = (format!("{name}.key"), format!("{name}.pem"), format!("/CN={name}"));
        let ours = ["-addext", extension, "-addext", "basicConstraints=critical,CA:FALSE", "-subj", &subject];
        let by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", &key, "-out", &pem];
        openssl(&[&new[..], &ours, &by].concat());
    }
}

fn fingerprint(folder: &Path, name: &str) -> String {
    let arguments = ["x509", "-noout", "-fingerprint", "-sha256", "-in", name];
    let shown = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap().stdout;
    String::from_utf8(shown).unwrap().trim().split_once('=').unwrap().1.to_owned()
}

/// A service with `[grpc.tls]`; ends with the test.
struct Encrypted {
    child: Child,
    folder: TempDir,
    grpc: String,
    http: String,
}

impl Encrypted {
    fn start() -> Encrypted {
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path());
        let settings = "[grpc.tls]\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\n\
                        client_authority = \"ca.pem\"\n";
        fs::write(folder.path().join("campanile.toml"), settings).unwrap();
        let (grpc, http) = (free_address(), free_address());
        let child = serve(folder.path(), (&grpc, &http));
        let service = Encrypted { child, folder, grpc, http };
        let begun = Instant::now();
        while service.ask(&["whoami"]).0 != Some(0) {
            let log = fs::read_to_string(service.folder.path().join("log")).unwrap();
            assert!(begun.elapsed() < READY_DEADLINE, "not ready: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        service
    }

    /// Code, and both outputs together.
    fn ask(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let (code, out, err) = self.run(arguments);
        (code, format!("{out}\n{err}"))
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let url = format!("https://{}", self.grpc);
        let mut command = program(self.folder.path());
        let output = command.args(["--url", &url, "--ca", "ca.pem"]).args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    fn done(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {out}\n{err}");
        out
    }
}

impl Encrypted {
    /// An application, the fingerprint of the registrar's certificate, and a token of the one for the other.
    fn bound_key(&self) -> (String, String, String) {
        self.done(&["admin", "department", "set", "cs", "--name", "计算机学院"]);
        let application = self.done(&["admin", "application", "create", "--title", "教务", "--department", "cs"]);
        let bound = fingerprint(self.folder.path(), "registrar.pem");
        let create = ["admin", "key", "create", "--application", &application, "--client-certificate", &bound];
        let token = self.done(&create);
        (application, bound, token)
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_key_that_is_bound_to_a_certificate_works_with_it_alone() {
    let service = Encrypted::start();
    let (application, bound, token) = service.bound_key();
    let with = |name: &str| {
        let (pem, key) = (format!("{name}.pem"), format!("{name}.key"));
        service.ask(&["--token", &token, "--certificate", &pem, "--private-key", &key, "whoami"])
    };
    let (code, said) = with("registrar");
    assert_eq!(code, Some(0), "{said}");
    for (code, said) in [with("library"), service.ask(&["--token", &token, "whoami"])] {
        assert_eq!(code, Some(4), "{said}");
        assert!(said.contains("CERTIFICATE_NOT_ALLOWED"), "{said}");
    }
    assert!(service.done(&["whoami"]).contains("administrator"), "other keys need none");

    let (code, said) = service.ask(&["--json", "admin", "key", "list"]);
    let digits = bound.replace(':', "").to_lowercase();
    assert!(code == Some(0) && said.contains(&digits), "{said}");
    let wrong = ["admin", "key", "create", "--application", &application, "--client-certificate", "ab:cd"];
    let (code, said) = service.ask(&wrong);
    assert!(code == Some(1) && said.contains("certificates[0]"), "{said}");
}

#[test]
fn what_is_not_encrypted_or_only_says_which_certificate_it_has_is_not_believed() {
    let service = Encrypted::start();
    let (_, bound, token) = service.bound_key();
    let url = format!("http://{}/campanile.v1.AccessService/WhoAmI", service.http);
    let said = format!("campanile-client-certificate: {}", bound.replace(':', "").to_lowercase());
    let answer = Command::new("curl")
        .args(["-s", "-d", "{}", "-H", "content-type: application/json", "-H", &said])
        .args(["-H", &format!("authorization: Bearer {token}"), &url])
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(answer.contains("CERTIFICATE_NOT_ALLOWED"), "{answer}");
    let clear = format!("http://{}", service.grpc);
    let output = program(service.folder.path()).args(["--url", &clear, "whoami"]).output().unwrap();
    assert_ne!(output.status.code(), Some(0));
}

#[test]
fn files_that_cannot_encrypt_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "[grpc.tls]\ncertificate = \"none.pem\"\nprivate_key = \"none.key\"\n";
    fs::write(folder.path().join("campanile.toml"), settings).unwrap();
    let mut command = program(folder.path());
    let output = command
        .arg("serve")
        .env("CAMPANILE__GRPC__LISTEN", "127.0.0.1:0")
        .env("CAMPANILE__HTTP__LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_ne!(output.status.code(), Some(0));
    assert!(said.contains("[grpc.tls]: cannot read none.pem"), "{said}");
}
