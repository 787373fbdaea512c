//! One session of the stand-in: bytes in, replies out. Replies to commands that came together leave together.

use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::mail::{decode_words, header, unstuff};
use super::{Mail, Shared};

/// The longest command line.
const LINE_MAX: usize = 2_048;
/// The longest mail.
const MAIL_MAX: usize = 8 * 1024 * 1024;
/// The most recipients of one transaction, whatever the options say.
const RECIPIENTS_MAX: usize = 10_000;
/// The most addresses whose misfortunes are remembered.
const SPENT_MAX: usize = 1_000_000;

/// Whether the session goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    HangUp,
    /// Closes without sending the replies that wait.
    Vanish,
}

struct Session<'a> {
    shared: &'a Shared,
    input: Vec<u8>,
    /// How much of `input` is dealt with.
    done: usize,
    output: Vec<u8>,
    in_data: bool,
    /// Where in `input` the search for the final dot goes on.
    searched: usize,
    /// The name in EHLO or HELO.
    greeted: String,
    from: String,
    has_from: bool,
    /// The accepted recipients, end to end, and where each lies.
    names: String,
    recipients: Vec<Range<usize>>,
    vanishes: bool,
}

/// Serves one client until it leaves.
pub(super) async fn run(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut session = Session::new(shared);
    let ended = serve(stream, &mut session).await;
    session.note_cut();
    ended
}

async fn serve(mut stream: TcpStream, session: &mut Session<'_>) -> io::Result<()> {
    let shared = session.shared;
    stream.write_all(b"220 standin.campanile.invalid ESMTP\r\n").await?;
    loop {
        session.compact();
        if stream.read_buf(&mut session.input).await? == 0 {
            return Ok(());
        }
        let next = session.digest()?;
        if next == Next::Vanish {
            return Ok(());
        }
        if !session.output.is_empty() {
            if let Some(delay) = shared.options.step_delay {
                tokio::time::sleep(delay).await;
            }
            stream.write_all(&session.output).await?;
            session.output.clear();
        }
        if next == Next::HangUp {
            // It is the stand-in that leaves.
            session.reset();
            return Ok(());
        }
    }
}

impl<'a> Session<'a> {
    fn new(shared: &'a Shared) -> Session<'a> {
        Session {
            shared,
            input: Vec::with_capacity(16 * 1024),
            done: 0,
            output: Vec::with_capacity(1_024),
            in_data: false,
            searched: 0,
            greeted: String::new(),
            from: String::new(),
            has_from: false,
            names: String::new(),
            recipients: Vec::new(),
            vanishes: false,
        }
    }

    /// Moves what is not dealt with to the front.
    fn compact(&mut self) {
        if self.done == self.input.len() {
            self.input.clear();
        } else if self.done > 0 {
            self.input.drain(..self.done);
        }
        self.searched = self.searched.saturating_sub(self.done);
        self.done = 0;
        self.input.reserve(4 * 1024);
    }

    /// Deals with everything that is complete.
    fn digest(&mut self) -> io::Result<Next> {
        loop {
            let next = if self.in_data {
                match self.find_final_dot() {
                    Some(end) => self.take_mail(end)?,
                    None if self.input.len() - self.done > MAIL_MAX => {
                        return Ok(self.say_last(b"552 5.3.4 too big\r\n"));
                    }
                    None => return Ok(Next::GoOn),
                }
            } else {
                let rest = &self.input[self.done..];
                match rest.iter().position(|&b| b == b'\n') {
                    Some(end) if end <= LINE_MAX => {
                        let line = self.done..self.done + end;
                        self.done += end + 1;
                        self.command(line)
                    }
                    None if rest.len() <= LINE_MAX => return Ok(Next::GoOn),
                    _ => return Ok(self.say_last(b"500 5.5.2 line too long\r\n")),
                }
            };
            if next != Next::GoOn {
                return Ok(next);
            }
        }
    }

    fn command(&mut self, line: Range<usize>) -> Next {
        let line = self.input[line].trim_ascii();
        let Some(verb) = line.get(..4) else { return self.say(b"500 5.5.2 what?\r\n") };
        let mut verb = [verb[0], verb[1], verb[2], verb[3]];
        verb.make_ascii_uppercase();
        match &verb {
            b"RCPT" => match path(line, b"TO:") {
                Some(to) => {
                    let to = to.to_owned();
                    self.recipient(&to)
                }
                None => self.say(b"501 5.1.3 bad address\r\n"),
            },
            b"MAIL" => match path(line, b"FROM:") {
                Some(_) if self.has_from => self.say(b"503 5.5.1 nested MAIL\r\n"),
                Some(from) => {
                    from.clone_into(&mut self.from);
                    self.has_from = true;
                    self.say(b"250 2.1.0 Ok\r\n")
                }
                None => self.say(b"501 5.1.7 bad sender\r\n"),
            },
            b"DATA" if self.recipients.is_empty() => self.say(b"554 5.5.1 no valid recipients\r\n"),
            b"DATA" => {
                self.in_data = true;
                self.searched = self.done;
                self.say(b"354 go on\r\n")
            }
            b"RSET" => {
                self.reset();
                self.say(b"250 2.0.0 Ok\r\n")
            }
            b"EHLO" => {
                self.greeted = name_in(line);
                self.reset();
                self.say(b"250-standin.campanile.invalid\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 8388608\r\n250 ENHANCEDSTATUSCODES\r\n")
            }
            b"HELO" => {
                self.greeted = name_in(line);
                self.say(b"250 2.0.0 Ok\r\n")
            }
            b"NOOP" => self.say(b"250 2.0.0 Ok\r\n"),
            b"QUIT" => self.say_last(b"221 2.0.0 Bye\r\n"),
            _ => self.say(b"502 5.5.2 not implemented\r\n"),
        }
    }

    fn recipient(&mut self, to: &str) -> Next {
        if !self.has_from {
            return self.say(b"503 5.5.1 MAIL first\r\n");
        }
        let accepted = self.recipients.len();
        let max = self.shared.options.recipients_max.unwrap_or(RECIPIENTS_MAX).min(RECIPIENTS_MAX);
        if accepted >= max || (accepted > 0 && to.starts_with("many.")) {
            return self.say(b"452 4.5.3 too many recipients\r\n");
        }
        if to.starts_with("gone.") {
            self.shared.note_refusal("550 5.1.1", "no such user here", to);
            self.output.extend_from_slice(b"550 5.1.1 <");
            self.output.extend_from_slice(to.as_bytes());
            return self.say(b">: no such user here\r\n");
        }
        if to.starts_with("full.") && self.shared.spend(to) {
            self.shared.note_refusal("452 4.2.2", "mailbox full", to);
            return self.say(b"452 4.2.2 mailbox full\r\n");
        }
        if to.starts_with("busy.") && self.shared.spend(to) {
            return self.say_last(b"421 4.3.2 too busy, closing\r\n");
        }
        self.vanishes |= to.starts_with("drop.") && self.shared.spend(to);
        let start = self.names.len();
        self.names.push_str(to);
        self.recipients.push(start..self.names.len());
        self.say(b"250 2.1.5 Ok\r\n")
    }

    /// Where the line with the final dot begins.
    fn find_final_dot(&mut self) -> Option<usize> {
        const END: &[u8] = b"\r\n.\r\n";
        if self.input[self.done..].starts_with(&END[2..]) {
            return Some(self.done);
        }
        let mut from = self.searched.max(self.done);
        while let Some(at) = self.input[from..].iter().position(|&b| b == b'\r') {
            let at = from + at;
            let rest = &self.input[at..];
            if rest.starts_with(END) {
                return Some(at + 2);
            }
            if rest.len() < END.len() {
                self.searched = at;
                return None;
            }
            from = at + 1;
        }
        self.searched = self.input.len();
        None
    }

    /// Logs the mail that ends at `end` and answers.
    fn take_mail(&mut self, end: usize) -> io::Result<Next> {
        let data = &self.input[self.done..end];
        let id = header(data, "X-Campanile-Leg").or_else(|| header(data, "Message-ID")).unwrap_or_default();
        let subject = decode_words(&header(data, "Subject").unwrap_or_default());
        let names = self.recipients.iter().map(|name| &self.names[name.clone()]);
        self.shared.log.append(&id, &subject, self.shared.clock.now().0, &self.greeted, names.clone())?;
        if let Some(copies) = &self.shared.options.copies {
            let recipients = names.map(ToOwned::to_owned).collect();
            // When nobody takes the copies they are not kept.
            drop(copies.try_send(Mail { from: self.from.clone(), recipients, data: unstuff(data) }));
        }
        let nth = self.shared.mails.fetch_add(1, Ordering::Relaxed);
        self.done = end + 3;
        self.in_data = false;
        let vanishes = self.vanishes;
        self.reset();
        if vanishes {
            return Ok(Next::Vanish);
        }
        self.output.extend_from_slice(format!("250 2.0.0 Ok: queued as S{nth}\r\n").as_bytes());
        Ok(Next::GoOn)
    }

    /// The client left: what it had begun is noted, once per recipient.
    fn note_cut(&self) {
        if self.has_from {
            let at_ms = self.shared.clock.now().0;
            let names = self.recipients.iter().map(|name| &self.names[name.clone()]);
            names.for_each(|name| self.shared.log.note_cut(&self.greeted, at_ms, name));
        }
    }

    fn reset(&mut self) {
        self.has_from = false;
        self.from.clear();
        self.names.clear();
        self.recipients.clear();
        self.vanishes = false;
    }

    fn say(&mut self, reply: &[u8]) -> Next {
        self.output.extend_from_slice(reply);
        Next::GoOn
    }

    fn say_last(&mut self, reply: &[u8]) -> Next {
        self.say(reply);
        Next::HangUp
    }
}

impl Shared {
    fn note_refusal(&self, code: &str, words: &str, address: &str) {
        self.log.note_refusal(code, words, self.clock.now().0, address);
    }

    /// True the first time for an address.
    fn spend(&self, address: &str) -> bool {
        let mut spent = self.spent.lock();
        spent.len() < SPENT_MAX && spent.insert(address.to_owned())
    }
}

/// The name after `EHLO`.
fn name_in(line: &[u8]) -> String {
    String::from_utf8_lossy(line.get(5..).unwrap_or_default()).trim().to_owned()
}

/// The address between the angle brackets of `RCPT TO:<…>`.
fn path<'a>(line: &'a [u8], keyword: &[u8]) -> Option<&'a str> {
    let rest = line.get(5..)?;
    let (head, rest) = rest.split_at_checked(keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let rest = rest.trim_ascii_start().strip_prefix(b"<")?;
    let end = rest.iter().position(|&b| b == b'>')?;
    std::str::from_utf8(&rest[..end]).ok().filter(|address| !address.bytes().any(|b| b.is_ascii_control()))
}
