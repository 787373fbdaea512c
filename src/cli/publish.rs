//! `campanile publish`, `preview` and `cancel`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use jiff::civil::DateTime;
use rand::Rng;

use super::client::{Connection, Failure, Session, timed};
use super::{print, review};
use campanile::api::v1;
use campanile::api::v1::audience::Target;

/// Above this many recipients the number itself is asked for.
const ASK_NUMBER_ABOVE: i32 = 50;

/// Departments of a preview that are printed.
const DEPARTMENTS_SHOWN: usize = 10;

/// Whom a message is for.
#[derive(Clone, Debug, clap::Args)]
#[group(multiple = false)]
pub struct To {
    /// Audience expression, such as 'grade:2021 AND department:cs'
    #[arg(long = "to", value_name = "EXPR")]
    expression: Option<String>,
    /// A user's id; may be repeated
    #[arg(long = "user", value_name = "ID")]
    users: Vec<String>,
}

/// What to publish.
#[derive(Clone, Debug, clap::Args)]
pub struct PublishArgs {
    #[command(flatten)]
    to: To,
    /// Title: one line of 1 to 200 characters
    #[arg(long)]
    title: String,
    /// Body in Markdown
    #[arg(long, conflicts_with = "body_file")]
    body: Option<String>,
    /// File with the body; - reads standard input
    #[arg(long, value_name = "FILE")]
    body_file: Option<PathBuf>,
    /// An https address to read on
    #[arg(long, value_name = "URL", default_value = "", hide_default_value = true)]
    link: String,
    #[command(flatten)]
    how: How,
    /// When to send, campus time: '2026-09-01 08:00'; or RFC 3339
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How many recipients are expected; nothing is sent if it is off by more than the tolerance, a tenth by default
    #[arg(long, value_name = "N")]
    expect: Option<i32>,
    /// How far off the number may be, in percent; 0 is exactly
    #[arg(long, value_name = "PERCENT", requires = "expect", value_parser = clap::value_parser!(i32).range(0..=100))]
    tolerance: Option<i32>,
    /// Idempotency key; made and printed when left out
    #[arg(long)]
    key: Option<String>,
    /// Check everything, store and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Send a marked trial copy to the people of --user, or to oneself, and nothing else
    #[arg(long, conflicts_with_all = ["expression", "dry_run", "at", "expect", "key"])]
    proof: bool,
    #[command(flatten)]
    tie: Tie,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// To which earlier message it refers.
#[derive(Clone, Debug, clap::Args)]
#[group(multiple = false)]
pub struct Tie {
    /// msg_… that this puts right
    #[arg(long, value_name = "MESSAGE")]
    corrects: Option<String>,
    /// msg_… of class emergency that is over; goes to its people
    #[arg(long, value_name = "MESSAGE", conflicts_with_all = ["expression", "users", "proof"])]
    all_clear_for: Option<String>,
    /// msg_… whose audience somebody joined since; goes to them
    #[arg(long, value_name = "MESSAGE", conflicts_with_all = ["expression", "users", "proof"])]
    follows: Option<String>,
    /// With --proof: msg_… that it is a copy of
    #[arg(long, value_name = "MESSAGE", requires = "proof")]
    of: Option<String>,
}

impl Tie {
    fn relation(&self) -> Option<v1::Relation> {
        let kinds = [
            (v1::RelationKind::Corrects, &self.corrects),
            (v1::RelationKind::AllClearFor, &self.all_clear_for),
            (v1::RelationKind::Follows, &self.follows),
        ];
        let (kind, message) = kinds.into_iter().find_map(|(kind, message)| Some((kind, message.clone()?)))?;
        Some(v1::Relation { kind: kind.into(), message_id: message, ..Default::default() })
    }
}

/// On which channels, how urgent, for whom.
#[derive(Clone, Debug, clap::Args)]
pub struct How {
    /// email, wechat, app …; may be repeated; default: the application's
    #[arg(long = "channel", value_name = "CHANNEL", value_parser = print::parse_channel)]
    channels: Vec<v1::Channel>,
    /// emergency, transactional, notice or bulk
    #[arg(long, value_name = "CLASS", value_parser = print::parse_class, default_value = "notice")]
    class: v1::MessageClass,
    /// The department that speaks; default: the application's
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    department: String,
    /// The person on whose behalf it is sent
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    sender: String,
}

/// Whom to ask about.
#[derive(Clone, Debug, clap::Args)]
pub struct PreviewArgs {
    /// Audience expression, such as 'grade:2021 AND department:cs'
    expression: String,
    #[command(flatten)]
    how: How,
    /// How many people to show as a sample, 0 to 20
    #[arg(long, default_value_t = 0)]
    sample: i32,
}

/// Publishes a message.
pub async fn publish(connection: &Connection, args: PublishArgs) -> Result<(), Failure> {
    if args.proof {
        return proof(connection, args).await;
    }
    let request = request(&args)?;
    let session = connection.open().await?;
    if !args.yes && !args.dry_run && std::io::stdin().is_terminal() {
        confirm(&session, &request, &args.how).await?;
    }
    if args.key.is_none() {
        eprintln!(
            "Idempotency key: {} (repeat with --key to be sure that nothing is sent twice)",
            request.idempotency_key
        );
    }
    let answer = session.publish().publish(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("PublishResponse", &answer);
    }
    show(&answer);
    Ok(())
}

fn show(answer: &v1::PublishResponse) {
    match (answer.message_id.is_empty(), answer.duplicate) {
        (true, _) => {
            println!("Would reach {} people; nothing was stored or sent.", print::number(answer.recipient_count))
        }
        (false, true) => {
            println!("{} was published before with this key; it is {}.", answer.message_id, print::state(answer.state))
        }
        (false, false) => println!(
            "{} to {} people is {}.{}",
            answer.message_id,
            print::number(answer.recipient_count),
            print::state(answer.state),
            if answer.test { " (test: reaches nobody)" } else { "" },
        ),
    }
    if !answer.channels.is_empty() {
        println!("{}", print::plans(&answer.channels));
    }
    if let Some(status) = &answer.review {
        println!("{}", status.why);
        review::waits(status);
    }
    for id in &answer.unknown_user_ids {
        println!("left out, unknown: {id}");
    }
    for warning in &answer.warnings {
        println!("note ({}): {}", warning.reason, warning.text);
    }
}

/// Sends a marked copy, and nothing else.
async fn proof(connection: &Connection, args: PublishArgs) -> Result<(), Failure> {
    let request = v1::SendProofRequest {
        content: Some(content(&args)?),
        channels: args.how.channels.iter().map(|&channel| channel.into()).collect(),
        user_ids: args.to.users,
        message_class: args.how.class.into(),
        department_id: args.how.department,
        sender_user_id: args.how.sender,
        proof_of_message_id: args.tie.of.unwrap_or_default(),
    };
    let answer = connection.open().await?.publish().send_proof(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("SendProofResponse", &answer);
    }
    println!("{} is a trial copy.", answer.message_id);
    Ok(())
}

fn content(args: &PublishArgs) -> Result<v1::Content, Failure> {
    let inline =
        v1::Inline { title: args.title.clone(), body: body(args)?, link: args.link.clone(), ..Default::default() };
    Ok(v1::Content { source: Some(v1::content::Source::Inline(inline)), ..Default::default() })
}

/// Whom it is for; nobody is named where the earlier message says it.
fn audience(args: &PublishArgs) -> Result<Option<v1::Audience>, Failure> {
    let target = match &args.to.expression {
        Some(expression) => Target::Expression(expression.clone()),
        None if args.tie.all_clear_for.is_some() || args.tie.follows.is_some() => return Ok(None),
        None if args.to.users.is_empty() => {
            return Err(Failure::usage("say to whom: --to EXPR, or --user ID; or what it follows: --follows MESSAGE"));
        }
        None => Target::Users(v1::UserList { user_ids: args.to.users.clone(), ..Default::default() }),
    };
    Ok(Some(v1::Audience { target: Some(target) }))
}

fn request(args: &PublishArgs) -> Result<v1::PublishRequest, Failure> {
    Ok(v1::PublishRequest {
        idempotency_key: args.key.clone().unwrap_or_else(made_key),
        audience: audience(args)?,
        relation: args.tie.relation(),
        content: Some(content(args)?),
        message_class: args.how.class.into(),
        channels: args.how.channels.iter().map(|&channel| channel.into()).collect(),
        department_id: args.how.department.clone(),
        sender_user_id: args.how.sender.clone(),
        send_at: args.at.as_deref().map(parse_time).transpose()?,
        expected_recipients: args.expect,
        tolerance_percent: args.tolerance,
        validate_only: args.dry_run,
        ..Default::default()
    })
}

fn made_key() -> String {
    format!("cli-{:016x}", rand::rng().random::<u64>())
}

fn body(args: &PublishArgs) -> Result<String, Failure> {
    let Some(path) = &args.body_file else { return Ok(args.body.clone().unwrap_or_default()) };
    let text = match path.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(path),
    };
    text.map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}

/// A time as `2026-09-01 08:00` on campus or in RFC 3339; says which moment that is on campus.
pub(super) fn parse_time(text: &str) -> Result<prost_types::Timestamp, Failure> {
    let wrong = || Failure::usage(format!("{text:?} is not a time such as '2026-09-01 08:00' or 2026-09-01T00:00:00Z"));
    let instant = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant,
        Err(_) => {
            let civil: DateTime = text.parse().map_err(|_| wrong())?;
            civil.to_zoned_datetime(print::campus_zone()).map_err(|_| wrong())?.timestamp()
        }
    };
    let zoned = instant.to_zoned_datetime(print::campus_zone());
    eprintln!("{text} is {}.", zoned.strftime("%A, %-d %B %Y, %H:%M:%S %Z"));
    Ok(prost_types::Timestamp { seconds: instant.as_second(), nanos: instant.subsec_nanosecond() })
}

/// Shows whom the message would reach and asks whether to go on.
async fn confirm(session: &Session, request: &v1::PublishRequest, how: &How) -> Result<(), Failure> {
    let tie = request.relation.clone();
    let preview = v1::PreviewAudienceRequest { relation: tie, ..preview_request(request.audience.clone(), how, 0) };
    let answer = session.publish().preview_audience(timed(preview)).await?.into_inner();
    show_preview(&answer);
    eprint!("{:?} as {}. ", title(request), print::class(request.message_class));
    ask("send", answer.recipient_count)
}

/// Asks whether to go on; above a few people, for their number itself.
pub fn ask(to_do: &str, count: i32) -> Result<(), Failure> {
    let wanted = if count > ASK_NUMBER_ABOVE { count.to_string() } else { "yes".to_owned() };
    eprint!("Type {wanted} to {to_do} it: ");
    std::io::stderr().flush().ok();
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).ok();
    let typed = line.trim().replace(',', "");
    if typed == wanted || (wanted == "yes" && typed == "y") {
        return Ok(());
    }
    Err(Failure::refused("nothing was done: the answer was another one"))
}

pub fn title(request: &v1::PublishRequest) -> &str {
    match request.content.as_ref().and_then(|content| content.source.as_ref()) {
        Some(v1::content::Source::Inline(inline)) => &inline.title,
        _ => "",
    }
}

fn preview_request(audience: Option<v1::Audience>, how: &How, sample_size: i32) -> v1::PreviewAudienceRequest {
    v1::PreviewAudienceRequest {
        audience,
        channels: how.channels.iter().map(|&channel| channel.into()).collect(),
        message_class: how.class.into(),
        department_id: how.department.clone(),
        sender_user_id: how.sender.clone(),
        sample_size,
        ..Default::default()
    }
}

/// Tells whom an expression names, and sends nothing.
pub async fn preview(connection: &Connection, args: PreviewArgs) -> Result<(), Failure> {
    let session = connection.open().await?;
    let audience = v1::Audience { target: Some(Target::Expression(args.expression.clone())) };
    let request = preview_request(Some(audience), &args.how, args.sample);
    let answer = session.publish().preview_audience(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("PreviewAudienceResponse", &answer);
    }
    show_preview(&answer);
    for person in &answer.sample {
        println!("  {} {} {}", person.user_id, person.display_name, person.department_id);
    }
    Ok(())
}

fn show_preview(answer: &v1::PreviewAudienceResponse) {
    let count = if answer.under_five { "< 5".to_owned() } else { print::number(answer.recipient_count) };
    println!("{count} people: {}", answer.in_words);
    for clause in &answer.clauses {
        let count = if clause.under_five { "< 5".to_owned() } else { print::number(clause.count) };
        println!("  {} — {count}", clause.clause);
    }
    for department in answer.departments.iter().take(DEPARTMENTS_SHOWN) {
        println!("  in {} ({}) — {}", department.name, department.department_id, print::number(department.count));
    }
    if answer.departments.len() > DEPARTMENTS_SHOWN {
        println!("  and in {} more departments", answer.departments.len() - DEPARTMENTS_SHOWN);
    }
    if !answer.channels.is_empty() {
        println!("{}", print::plans(&answer.channels));
    }
    if let Some(status) = answer.review.as_ref().filter(|status| status.approvals_needed > 0) {
        println!("{} {}", status.why, status.reviewer_ids.join(", "));
    }
    match &answer.refusal {
        None => println!("Allowed by {}.", answer.grant_id),
        Some(refusal) => println!("Not allowed ({}): {}", refusal.reason, refusal.message),
    }
    if answer.outside > 0 || answer.outside_under_five {
        let outside = if answer.outside_under_five { "< 5".to_owned() } else { print::number(answer.outside) };
        println!("{outside} people are outside your grants.");
    }
}

/// Stops whatever of a message has not been handed over.
pub async fn cancel(connection: &Connection, message_id: String, why: String) -> Result<(), Failure> {
    let session = connection.open().await?;
    let request = timed(v1::CancelMessageRequest { message_id, why });
    let answer = session.publish().cancel_message(request).await?.into_inner();
    if connection.json {
        return print::json("CancelMessageResponse", &answer);
    }
    if answer.is_final && answer.sent + answer.stopped + answer.open == 0 {
        println!("{}: nothing had been sent, and nothing will be.", print::state(answer.state));
        return Ok(());
    }
    println!(
        "{}: {} were sent, {} stopped, {} still in a provider's hands.",
        print::state(answer.state),
        print::number(answer.sent),
        print::number(answer.stopped),
        print::number(answer.open)
    );
    if !answer.is_final {
        println!("Nothing more starts from 5 seconds after this answer.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campus_time_is_read_in_its_zone() {
        assert_eq!(parse_time("2026-09-01 08:00").unwrap().seconds, 1_788_220_800);
        assert_eq!(parse_time("2026-09-01T00:00:00Z").unwrap().seconds, 1_788_220_800);
        assert!(parse_time("tomorrow").is_err());
    }
}
