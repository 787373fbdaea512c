//! Exit codes of the command line: 0 done, 1 refused, 2 usage, 3 try again, 4 not permitted, 130 interrupted.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const READY_DEADLINE: Duration = Duration::from_secs(30);

/// A service on free ports in an empty folder; ends with the test.
pub struct Service {
    child: Child,
    folder: TempDir,
    url: String,
}

impl Service {
    pub fn start() -> Service {
        let folder = tempfile::tempdir().unwrap();
        let (grpc, http) = (free_address(), free_address());
        let child = serve(folder.path(), (&grpc, &http));
        let mut service = Service { child, folder, url: format!("http://{grpc}") };
        let begun = Instant::now();
        while service.run(&["whoami"]).0 != Some(0) {
            assert!(begun.elapsed() < READY_DEADLINE, "not ready: {}", service.log());
            assert!(service.child.try_wait().unwrap().is_none(), "ended: {}", service.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        service
    }

    /// Runs a command in the service's folder, so that the administrator's token is found; code, stdout, stderr.
    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = program(self.folder.path()).args(["--url", &self.url]).args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    pub fn done(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {out}\n{err}");
        out
    }

    /// Where it keeps its data, its log and what commands write.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    command.current_dir(folder).env_remove("CAMPANILE_TOKEN").env_remove("CAMPANILE_URL").stdin(Stdio::null());
    command.env("LC_ALL", "C");
    command
}

/// A service in a folder, with its log there.
pub fn serve(folder: &Path, (grpc, http): (&str, &str)) -> Child {
    let log = fs::File::create(folder.join("log")).unwrap();
    let mut command = program(folder);
    command.arg("serve").env("CAMPANILE__GRPC__LISTEN", grpc).env("CAMPANILE__HTTP__LISTEN", http);
    command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn an_administrator_connects_an_application_which_publishes() {
    let service = Service::start();
    service.done(&["admin", "department", "set", "campus", "--name", "钟楼大学"]);
    service.done(&["admin", "department", "set", "cs", "--name", "计算机学院", "--parent", "campus"]);
    let users = "\u{feff}user_id,name,department,email,tags\n\
                 3121151001,王芳,cs,wang@stu.campus.example,grade:2021;role:student\n\
                 3121151002,李明,cs,li@stu.campus.example,grade:2021\n\
                 bad id,无名,cs,,\n";
    fs::write(service.folder.path().join("users.csv"), users).unwrap();
    let (code, out, err) = service.run(&["import", "users.csv"]);
    assert_eq!(code, Some(1), "one line is bad: {out}\n{err}");
    assert!(out.contains("2 people are new") && err.contains("line 4"), "{out}\n{err}");

    let application = service.done(&["admin", "application", "create", "--title", "教务", "--department", "cs"]);
    service.done(&["admin", "grant", "create", "--application", &application, "--department", "cs"]);
    let token = service.done(&["admin", "key", "create", "--application", &application]);
    let publish = |extra: &[&str]| {
        let base = ["--token", &token, "publish", "--title", "选课", "--body", "请选课", "--channel", "app", "--yes"];
        service.run(&[&base[..], extra].concat())
    };

    let (code, out, err) = publish(&["--to", "grade:2021 AND department:cs", "--json"]);
    assert_eq!(code, Some(0), "{err}");
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["recipientCount"], 2, "{out}");
    let message = answer["messageId"].as_str().unwrap();
    assert!(service.done(&["--token", &token, "watch", message]).contains("is finished"));

    let (code, _, err) = publish(&["--to", "grade:2012"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("UNKNOWN_TAG") && err.contains("grade:2021"), "{err}");
    let (code, _, err) = publish(&["--to", "everyone", "--channel", "sms"]);
    assert!(matches!(code, Some(1 | 4)), "{err}");
    service.done(&["admin", "revoke", "grant", &grant_of(&service, &application)]);
    let (code, _, err) = publish(&["--to", "department:cs"]);
    assert_eq!((code, err.contains("GRANT_MISSING")), (Some(4), true), "{err}");
}

fn grant_of(service: &Service, application: &str) -> String {
    let out = service.done(&["admin", "grant", "list", "--application", application, "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    answer["grants"][0]["grantId"].as_str().unwrap().to_owned()
}

#[test]
fn what_goes_wrong_has_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| program(folder.path()).args(arguments).output().unwrap().status.code();
    assert_eq!(code(&["publish", "--title", "x"]), Some(2), "nobody is named");
    assert_eq!(code(&["whoami"]), Some(2), "no token");
    let url = format!("http://{}", free_address());
    assert_eq!(code(&["--url", &url, "--token", "cpl_live_x", "whoami"]), Some(3), "no service");
    let service = Service::start();
    assert_eq!(service.run(&["--token", "cpl_live_x", "whoami"]).0, Some(4), "a bad token");
    assert_eq!(service.run(&["watch", "msg_0000000000010"]).0, Some(1), "no such message");
}

#[test]
fn an_operator_sees_how_a_service_is() {
    let service = Service::start();
    let page = service.done(&["status"]);
    for part in ["sqlite", "synchronous=2", "coordination  alone", "api deliver", "running"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page: serde_json::Value = serde_json::from_str(&service.done(&["status", "--json"])).unwrap();
    assert_eq!((page["status"]["store"].as_str(), page["nodes"].as_array().unwrap().len()), (Some("sqlite"), 1));
    assert!(page["providers"].as_array().unwrap().is_empty());

    let (code, out, err) = service.run(&["doctor", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    let levels: Vec<_> = found["checks"].as_array().unwrap().iter().map(level_of).collect();
    assert!(levels.contains(&("service", "ok")) && levels.contains(&("administrator's token", "ok")), "{levels:?}");
    assert!(levels.contains(&("nodes", "ok")) && levels.iter().any(|(subject, _)| *subject == "books"), "{levels:?}");
    let failed = levels.iter().any(|(_, level)| *level == "fail");
    assert_eq!((code, found["worst"] == "fail"), (Some(i32::from(failed)), failed), "{out}\n{err}");

    let (code, out, _) = service.run(&["--token", "cpl_live_x", "doctor"]);
    assert_eq!((code, out.contains("refuses the token")), (Some(0), true), "{out}");
}

fn level_of(check: &serde_json::Value) -> (&str, &str) {
    (check["subject"].as_str().unwrap(), check["level"].as_str().unwrap())
}

#[test]
fn a_doctor_says_what_a_start_would_find() {
    let folder = tempfile::tempdir().unwrap();
    let (grpc, http) = (free_address(), free_address());
    let relay = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = relay.local_addr().unwrap().port();
    drop(relay);
    let look = |settings: &str| {
        fs::write(folder.path().join("campanile.toml"), settings).unwrap();
        let mut command = program(folder.path());
        command.args(["--url", &format!("http://{grpc}"), "doctor", "--json"]);
        command.env("CAMPANILE__GRPC__LISTEN", &grpc).env("CAMPANILE__HTTP__LISTEN", &http);
        let output = command.output().unwrap();
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let failed: Vec<String> = found["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(level_of)
            .filter(|(subject, level)| *level == "fail" && *subject != "disk")
            .map(|(subject, _)| subject.to_owned())
            .collect();
        assert_eq!(output.status.code() == Some(1), found["worst"] == "fail", "{found}");
        failed
    };
    assert_eq!(look(""), Vec::<String>::new());
    assert!(!folder.path().join("campanile-data").exists(), "it only looks");
    assert_eq!(look("[grpc]\nlissen = \"x\""), ["settings"]);
    let deaf = format!("[channel.email.main]\nhost = \"127.0.0.1\"\nport = {port}\nfrom = \"a@b.cn\"");
    assert_eq!(look(&deaf), ["provider email.main"]);
    let taken = TcpListener::bind(&http).unwrap();
    assert_eq!(look(""), ["port of HTTP"]);
    drop(taken);
    fs::write(folder.path().join("file"), "").unwrap();
    assert_eq!(look("[store]\ndirectory = \"file\""), ["data directory"]);
}

#[test]
fn a_stand_in_says_where_it_listens() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = program(folder.path())
        .args(["standin", "smtp", "--listen", "127.0.0.1:0", "--log", "log"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.starts_with("listening on 127.0.0.1:"), "{line}");
}

#[test]
fn a_table_changes_only_what_its_columns_say() {
    let service = Service::start();
    service.done(&["admin", "department", "set", "library", "--name", "图书馆"]);
    let file = service.folder.path().join("users.csv");
    let import = |text: &str| {
        fs::write(&file, text).unwrap();
        service.done(&["import", file.to_str().unwrap()])
    };
    import(
        "user_id,name,department,email,status,tags\n1,王芳,library,w@x.example,active,cohort:a\n2,李明,library,l@x.example,left,cohort:a\n",
    );
    let said = import("user_id,name\n1,王芳\n2,李明\n");
    assert!(said.contains("2 were the same"), "{said}");
    let said = import("user_id,wecom\n1,wangfang\n");
    assert!(said.contains("1 changed"), "{said}");
    let said = import("user_id,email\n1,w@x.example\n");
    assert!(said.contains("1 were the same"), "{said}");
}

#[test]
fn a_whole_source_is_shown_first_and_whoever_is_missing_leaves() {
    let service = Service::start();
    let file = |name: &str, text: &str| {
        let path = service.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let departments = file("d.csv", "department_id,name,parent_id\nlibrary,图书馆,school\nschool,学校,\n");
    let rows = |ids: std::ops::Range<u32>| ids.map(|id| format!("{id},王{id},library\n")).collect::<String>();
    let users = file("u.csv", &format!("user_id,name,department\n{}", rows(1..21)));
    let sync = ["sync", "--source", "hr", departments.as_str(), users.as_str()];
    let said = service.done(&[&sync[..], &["--dry-run"]].concat());
    assert!(said.contains("20") && said.contains("Nothing was written."), "{said}");
    assert!(!service.done(&["admin", "department", "list"]).contains("library"));
    let said = service.done(&sync);
    assert!(said.contains("2 departments are new or changed.") && said.contains("Taken over as syn_"), "{said}");
    let fewer = file("fewer.csv", &format!("user_id,name,department\n{}", rows(1..19)));
    let sync = ["sync", "--source", "hr", departments.as_str(), fewer.as_str()];
    let (code, _, err) = service.run(&sync);
    assert_eq!((code, err.contains("2 of 20 people would leave")), (Some(1), true), "{err}");
    let said = service.done(&[&sync[..], &["--max-removed", "10%"]].concat());
    assert!(said.contains("Some of them: 19, 20"), "{said}");
    let broken = file("broken.csv", "user_id,name,department\n,无名,library\n");
    let (code, _, err) = service.run(&["sync", "--source", "hr", departments.as_str(), broken.as_str()]);
    assert_eq!((code, err.contains("line 2")), (Some(2), true), "{err}");

    let said = service.done(&["admin", "department", "move", "library", "--dry-run"]);
    assert!(said.contains("library would hang under nothing") && said.contains("No grant"), "{said}");
    let (code, _, err) = service.run(&["admin", "department", "delete", "library"]);
    assert_eq!((code, err.contains("20 people in it")), (Some(1), true), "{err}");
    service.done(&["admin", "department", "set", "annex", "--name", "分馆"]);
    assert_eq!(service.done(&["admin", "department", "delete", "annex"]), "annex is removed.");
}

#[test]
fn what_can_never_succeed_is_not_to_be_tried_again_and_a_closed_pipe_is_no_fault() {
    let service = Service::start();
    let body = service.folder.path().join("body");
    fs::write(&body, "长".repeat(1 << 20)).unwrap();
    let (code, _, err) =
        service.run(&["publish", "--to", "everyone", "--title", "t", "--body-file", body.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{err}");
    let mut command = program(service.folder.path());
    let mut child = command
        .args(["--url", &service.url, "admin", "department", "list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn people_are_put_into_tags_and_taken_out() {
    let service = Service::start();
    service.done(&["admin", "department", "set", "library", "--name", "图书馆"]);
    let file = service.folder.path().join("users.csv");
    fs::write(&file, "user_id,name,department,tags\n1,王芳,library,校区:创新港\n2,李明,library,\n").unwrap();
    service.done(&["import", file.to_str().unwrap()]);
    let said = service.done(&["admin", "tag", "add", "校区:创新港", "1", "2"]);
    assert!(said.contains("1 put into 校区:创新港, 0 taken out."), "{said}");
    assert!(service.done(&["admin", "tag", "remove", "校区:创新港", "1"]).contains("1 taken out"));
    service.done(&["admin", "tag", "set", "new", "--title", "新生", "--rule", "department:library AND NOT user:1"]);
    let list = service.done(&["admin", "tag", "list"]);
    assert!(list.contains("校区:创新港") && list.contains("新生"), "{list}");
    let (code, _, err) = service.run(&["admin", "tag", "remove", "校区:创新港", "2", "nobody"]);
    assert_eq!((code, err.contains("nobody (UNKNOWN_USER)")), (Some(1), true), "{err}");
    assert!(service.done(&["admin", "tag", "delete", "new"]).contains("new is removed."));
    let set = ["admin", "tag", "set", "aid", "--sensitive", "--owner", "library", "--expire", "2090-09-01 08:00"];
    service.done(&set);
    let list = service.done(&["admin", "tag", "list", "--usable"]);
    assert!(list.contains("sensitive") && list.contains("2090-09-01"), "{list}");
    let (code, _, err) = service.run(&["admin", "tag", "set", "past", "--expire", "2001-01-01 00:00"]);
    assert_eq!((code, err.contains("tag.expire_at")), (Some(1), true), "{err}");
}

#[test]
fn a_file_that_names_somebody_twice_or_by_another_number_keeps_what_it_does_not_say() {
    let service = Service::start();
    service.done(&["admin", "department", "set", "library", "--name", "图书馆"]);
    let file = service.folder.path().join("users.csv");
    fs::write(&file, "user_id,name,department,email,app,alias_ids\n1,王芳,library,w@e.cn,1,20199\n2,李明,,,,\n")
        .unwrap();
    service.done(&["import", "users.csv"]);
    fs::write(&file, "user_id,email\n1,a@e.cn\n1,b@e.cn\n20199,c@e.cn\n2,d@e.cn\n2,e@e.cn\n").unwrap();
    service.done(&["import", "users.csv"]);
    let shown = service.done(&["admin", "user", "show", "1"]);
    for kept in ["王芳", "library", "20199", "c@e.cn", "app"] {
        assert!(shown.contains(kept), "{kept}: {shown}");
    }
    assert!(service.done(&["admin", "user", "show", "2"]).contains("e@e.cn"));
}

#[test]
fn a_campus_file_is_applied_once_and_a_second_run_changes_nothing() {
    let service = Service::start();
    let file = service.folder.path().join("campus.toml");
    let said = "[[department]]\nid = \"cs\"\nname = \"计算机学院\"\nunder = \"campus\"\n\
                [[department]]\nid = \"campus\"\nname = \"钟楼大学\"\n\
                [[application]]\ntitle = \"教务系统\"\ndepartment = \"cs\"\nchannels = [\"app\"]\ninbox_for = [\"campus\"]\n\
                [[grant]]\napplication = \"教务系统\"\ndepartments = [\"cs\"]\nper_day = 500\n\
                [[grant]]\napplication = \"教务系统\"\naudience = \"department:campus\"\ndepartments = [\"cs\"]\n\
                channels = [\"app\"]\nclasses = [\"notice\"]\n";
    fs::write(&file, said).unwrap();
    let file = file.to_str().unwrap();
    let dry = service.done(&["admin", "apply", file, "--dry-run"]);
    assert!(dry.contains("+ department campus 钟楼大学\n+ department cs 计算机学院 under campus\n"), "{dry}");
    assert!(dry.contains("5 to be done, 0 are so already. Nothing was done"), "{dry}");
    assert!(!service.done(&["admin", "department", "list"]).contains("campus"));

    assert!(service.done(&["admin", "apply", file]).contains("5 to be done"));
    let again = service.done(&["admin", "apply", file]);
    assert_eq!(again.trim(), "Nothing is to be done; 5 are so already.");
    fs::write(file, said.replace("钟楼大学", "钟楼学院")).unwrap();
    let changed: serde_json::Value = serde_json::from_str(&service.done(&["--json", "admin", "apply", file])).unwrap();
    assert_eq!((&changed["changedDepartments"][0], &changed["unchanged"]), (&"campus".into(), &4.into()));

    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/campus.toml");
    assert!(service.done(&["admin", "apply", sample]).contains("~ department campus 钟楼大学\n+ department library"));
    assert!(service.done(&["admin", "apply", sample]).contains("Nothing is to be done"));

    fs::write(file, "[[role]]\nuser = \"nobody\"\nrole = \"reviewer\"\ndepartment = \"cs\"\n").unwrap();
    let (code, _, err) = service.run(&["admin", "apply", file]);
    assert_eq!((code, err.contains("role of nobody: ") && err.contains("0 of 1 were done")), (Some(1), true), "{err}");

    fs::write(file, "[[grant]]\napplication = \"教务\"\ndepartments = [\"cs\"]\n").unwrap();
    let (code, _, err) = service.run(&["admin", "apply", file]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("neither there nor in the file"), "{err}");
    fs::write(file, "[[grants]]\n").unwrap();
    let (code, _, err) = service.run(&["admin", "apply", file]);
    assert_eq!((code, err.contains("unknown field `grants`")), (Some(2), true), "{err}");
}

#[test]
fn rights_come_from_a_table_once_and_each_bad_line_is_told() {
    let service = Service::start();
    service.done(&["admin", "department", "set", "library", "--name", "图书馆"]);
    service.done(&["admin", "application", "create", "--title", "图书馆系统", "--department", "library"]);
    let file = service.folder.path().join("grants.csv");
    let good = "application,departments,channels,per_day\n图书馆系统,library,app,500\n";
    fs::write(&file, good).unwrap();
    let file = file.to_str().unwrap();
    let said = service.done(&["admin", "grant", "import", file]);
    assert!(said.contains("1 rights given, 0 were held already, 0 lines left out."), "{said}");
    assert!(service.done(&["admin", "grant", "import", file]).contains("0 rights given, 1 were held already"));
    fs::write(file, format!("{good}别的系统,library,app,\n图书馆系统,nowhere,app,\n图书馆系统,library,smoke,\n"))
        .unwrap();
    let (code, out, err) = service.run(&["admin", "grant", "import", file]);
    assert_eq!((code, out.contains("1 were held already, 3 lines left out")), (Some(1), true), "{out}{err}");
    for word in ["line 3: there is no application", "line 4: grant.department_ids", "line 5: channels: known are"] {
        assert!(err.contains(word), "{word}: {err}");
    }
}

#[test]
fn with_json_a_refusal_is_json_too() {
    let service = Service::start();
    let (code, out, err) = service.run(&["--json", "cancel", "msg_0000000000001"]);
    let last = err.lines().last().unwrap();
    let refusal: serde_json::Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{err}"));
    assert_eq!(
        (code, out.as_str(), &refusal["code"], &refusal["reason"]),
        (Some(1), "", &5.into(), &"NOT_FOUND".into())
    );
    assert_eq!(refusal["field"], "message_id");
}

#[test]
fn refusals_follow_the_terminals_language() {
    let service = Service::start();
    let mut command = program(service.folder.path());
    command.env("LC_ALL", "zh_CN.UTF-8").args(["--url", &service.url, "cancel", "msg_0000000000001"]);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("refused (NOT_FOUND): 没有这一项，或者您无权查看。请检查编号"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn an_address_without_a_scheme_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for url in ["127.0.0.1:7700", "ftp://127.0.0.1:7700"] {
        let output = program(folder.path()).args(["--url", url, "--token", "x", "whoami"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("write http://HOST:PORT or https://HOST:PORT"), "{said}");
    }
}

/// A server that speaks TLS and knows no service but health.
async fn tls_server(folder: &Path) -> std::net::SocketAddr {
    use tonic::transport::server::TcpIncoming;
    use tonic::transport::{Identity, Server, ServerTlsConfig};

    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "ca.pem"])
        .current_dir(folder)
        .output()
        .expect("openssl; tests/run installs it");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let identity = Identity::from_pem(read("ca.pem"), read("key.pem"));
    let health = tonic_health::server::health_reporter().1;
    let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity)).unwrap().add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn https_is_encrypted_and_the_certificate_verified() {
    let folder = tempfile::tempdir().unwrap();
    let address = tls_server(folder.path()).await;
    let ask = |url: String, more: &[&str]| {
        let mut command = program(folder.path());
        let output = command.args(["--url", &url, "--token", "x"]).args(more).arg("whoami").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = ask(format!("https://{address}"), &[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("certificate"), "{said}");
    let (code, said) = ask(format!("https://{address}"), &["--ca", "ca.pem"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Unimplemented"), "the server itself answered: {said}");
    let (code, said) = ask(format!("http://{address}"), &[]);
    assert_ne!(code, Some(0), "{said}");
}

#[test]
fn trial_copies_ties_histories_and_successors_of_keys_are_commands() {
    let service = Service::start();
    service.done(&["admin", "department", "set", "cs", "--name", "计算机学院"]);
    fs::write(service.folder.path().join("users.csv"), "user_id,name,department,tags\n3121151001,王芳,cs,new\n")
        .unwrap();
    service.done(&["import", "users.csv"]);
    let application = service.done(&["admin", "application", "create", "--title", "教务", "--department", "cs"]);
    let grant = service.done(&["admin", "grant", "create", "--application", &application, "--department", "cs"]);
    let update = ["admin", "application", "update", &application, "--contact", "二楼", "--topic", "course"];
    let (code, _, err) = service.run(&update);
    assert_eq!((code, err.contains("UNKNOWN_TOPIC")), (Some(1), true), "{err}");
    service.done(&["admin", "topic", "set", "course", "--department", "cs", "--title", "选课", "--always"]);
    service.done(&update);
    assert!(service.done(&["admin", "topic", "list", "--department", "cs"]).contains("always"));
    let token = service.done(&["admin", "key", "create", "--application", &application, "--network", "127.0.0.0/8"]);
    let ours = |arguments: &[&str]| service.run(&[&["--token", &token], arguments].concat());
    let letter = ["publish", "--title", "选课", "--channel", "app", "--yes", "--json"];
    let (code, out, err) = ours(&[&letter[..], &["--proof", "--user", "3121151001"]].concat());
    assert_eq!(code, Some(0), "{err}");
    let proof: serde_json::Value = serde_json::from_str(&out).unwrap();
    let (code, out, err) = ours(&[&letter[..], &["--to", "tag:new"]].concat());
    assert_eq!(code, Some(0), "{err}");
    let sent: serde_json::Value = serde_json::from_str(&out).unwrap();
    let first = sent["messageId"].as_str().unwrap();
    let (code, _, err) = ours(&[&letter[..], &["--follows", first]].concat());
    assert_eq!((code, err.contains("EMPTY_AUDIENCE")), (Some(1), true), "{err}");
    let (code, _, err) = ours(&letter);
    assert_eq!(code, Some(2), "nobody is named: {err}");

    let (code, out, err) = ours(&["trace", "3121151001"]);
    assert_eq!(code, Some(0), "{err}");
    let place = |text: &str| out.find(text).unwrap_or_else(|| panic!("{text} is not in {out}"));
    assert!(place(first) < place(proof["messageId"].as_str().unwrap()), "newest first: {out}");
    assert!(out.contains("[校样] 选课"), "{out}");

    let list = service.done(&["admin", "key", "list", "--application", &application, "--json"]);
    let keys: serde_json::Value = serde_json::from_str(&list).unwrap();
    let key = keys["keys"][0]["keyId"].as_str().unwrap();
    let next = service.done(&["admin", "key", "rotate", key, "--overlap", "0s"]);
    assert_eq!(ours(&["whoami"]).0, Some(4), "the old key has ended");
    assert_eq!(service.run(&["--token", &next, "whoami"]).0, Some(0));
    let (code, _, err) = service.run(&["admin", "grant", "renew", &grant, "--until", "2099-01-01 00:00"]);
    assert_eq!((code, err.contains("FIELD_INVALID")), (Some(1), true), "it never ends: {err}");
    assert!(service.done(&["admin", "grants", "list", "--reaches", "3121151001"]).contains(&grant));
}
