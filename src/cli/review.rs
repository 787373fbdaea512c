//! `campanile review`: what waits for a second person, and that person's decision.

use super::client::{Connection, Failure, Session, timed};
use super::{print, publish};
use campanile::api::v1;
use campanile::api::v1::content::Source;

/// Recipients' departments are shown by a preview; characters of a body on one screen.
const BODY_CHARS: usize = 2_000;

/// What to do about reviews.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum ReviewCommand {
    /// What waits for a second person: yours to decide, and your own messages
    List {
        /// Only what you may decide
        #[arg(long)]
        to_decide: bool,
    },
    /// Show a message as it would be sent: what it says, to whom, and who has to agree
    Show {
        /// msg_…
        message: String,
    },
    /// Agree that a message is sent as it is shown now
    Approve {
        /// msg_…
        message: String,
        /// A remark
        #[arg(long, default_value = "", hide_default_value = true)]
        why: String,
        /// A later time to send, campus time: '2026-09-01 08:00'; or RFC 3339
        #[arg(long, value_name = "TIME")]
        release_at: Option<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Refuse a message; it is never sent
    Refuse {
        /// msg_…
        message: String,
        /// What the author reads
        #[arg(long)]
        why: String,
    },
    /// Send a message back: not like this
    SendBack {
        /// msg_…
        message: String,
        /// What the author reads
        #[arg(long)]
        why: String,
    },
    /// Name somebody who reviews in your place for a time; without a person, nobody any more
    Deputy {
        /// The deputy's id
        user: Option<String>,
        /// Until when, campus time, at most 90 days ahead
        #[arg(long, value_name = "TIME", requires = "user")]
        until: Option<String>,
    },
}

/// Carries out a command about reviews.
pub async fn run(connection: &Connection, command: ReviewCommand) -> Result<(), Failure> {
    use v1::ReviewDecision::{Approve, Refuse, SendBack};
    let session = connection.open().await?;
    match command {
        ReviewCommand::List { to_decide } => list(connection, &session, to_decide).await,
        ReviewCommand::Show { message } => {
            let shown = shown(&session, &message).await?;
            if connection.json {
                return print::json("Message", &shown);
            }
            show(&session, &shown).await
        }
        ReviewCommand::Approve { message, why, release_at, yes } => {
            let release_at = release_at.as_deref().map(publish::parse_time).transpose()?;
            let seen = shown(&session, &message).await?;
            if !yes && !connection.json {
                show(&session, &seen).await?;
                publish::ask("approve", seen.recipient_count)?;
            }
            decide(connection, &session, seen, Approve, (why, release_at)).await
        }
        ReviewCommand::Refuse { message, why } => {
            decide(connection, &session, shown(&session, &message).await?, Refuse, (why, None)).await
        }
        ReviewCommand::SendBack { message, why } => {
            decide(connection, &session, shown(&session, &message).await?, SendBack, (why, None)).await
        }
        ReviewCommand::Deputy { user, until } => {
            let until = until.as_deref().map(publish::parse_time).transpose()?;
            let user_id = user.unwrap_or_default();
            let request = timed(v1::DelegateReviewsRequest { user_id: user_id.clone(), until });
            session.access().delegate_reviews(request).await?;
            match user_id.as_str() {
                "" => println!("Nobody reviews in your place."),
                user => println!("{user} reviews in your place until {}.", print::time(until.as_ref())),
            }
            Ok(())
        }
    }
}

async fn list(connection: &Connection, session: &Session, to_decide: bool) -> Result<(), Failure> {
    let mut reviews = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListReviewsRequest { to_decide, page_token, ..Default::default() };
        let page = session.access().list_reviews(timed(request)).await?.into_inner();
        reviews.extend(page.reviews);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if connection.json {
        let answer = v1::ListReviewsResponse { reviews, ..Default::default() };
        return print::json("ListReviewsResponse", &answer);
    }
    if reviews.is_empty() {
        println!("Nothing waits for a second person.");
        return Ok(());
    }
    let mut table = print::table(&["message", "title", "people", "agreed", "until", "from"]);
    for review in reviews {
        let (message, status) = (review.message.unwrap_or_default(), review.status.unwrap_or_default());
        let afterwards = if status.needed { "" } else { " (sent already)" };
        table.add_row([
            format!("{}{afterwards}", message.message_id),
            title(&message).to_owned(),
            print::number(message.recipient_count),
            format!("{} of {}", status.approvals.len(), status.approvals_needed),
            print::time(status.lapse_at.as_ref()),
            review.author.map(|author| author.name).unwrap_or_default(),
        ]);
    }
    println!("{table}");
    Ok(())
}

/// A message with its content and its review.
async fn shown(session: &Session, message: &str) -> Result<v1::Message, Failure> {
    let request = v1::GetMessageRequest { message_id: message.to_owned(), view: v1::MessageView::Full.into() };
    let answer = session.publish().get_message(timed(request)).await?.into_inner();
    let found = answer.message.unwrap_or_default();
    if found.review.is_none() {
        return Err(Failure::refused(format!("{message} needs no second person")));
    }
    Ok(found)
}

async fn show(session: &Session, message: &v1::Message) -> Result<(), Failure> {
    let (published, status) = (message.publish.clone().unwrap_or_default(), message.review.clone().unwrap_or_default());
    println!("{} is {}. {}", message.message_id, print::state(message.state), status.why);
    println!();
    println!("  {}", title(message));
    if let Some(Source::Inline(inline)) = published.content.as_ref().and_then(|content| content.source.as_ref()) {
        let body: String = inline.body.chars().take(BODY_CHARS).collect();
        body.lines().for_each(|line| println!("  {line}"));
        if inline.body.chars().count() > BODY_CHARS {
            println!("  … (--json shows all of it)");
        }
        if !inline.link.is_empty() {
            println!("  {}", inline.link);
        }
    }
    println!();
    let channels: Vec<_> = published.channels.iter().map(|&channel| print::channel(channel)).collect();
    let people = print::number(message.recipient_count);
    println!(
        "{people} people, {} over {}, for {}.",
        print::class(published.message_class),
        channels.join(", "),
        published.department_id
    );
    match published.audience {
        Some(audience) => in_words(session, &published.department_id, audience).await,
        None => println!("By a list of people."),
    }
    println!("To be sent {}, or when it is approved.", print::time(published.send_at.as_ref()));
    for approval in &status.approvals {
        let comment = if approval.comment.is_empty() { String::new() } else { format!(": {}", approval.comment) };
        println!("Agreed by {} at {}{comment}", approval.user_id, print::time(approval.approved_at.as_ref()));
    }
    waits(&status);
    Ok(())
}

/// The audience read back, where the reader may ask for that.
async fn in_words(session: &Session, department_id: &str, audience: v1::Audience) {
    if let Some(v1::audience::Target::Expression(text)) = &audience.target {
        println!("To {text}");
    }
    let request = v1::PreviewAudienceRequest {
        audience: Some(audience),
        department_id: department_id.to_owned(),
        channels: vec![v1::Channel::App.into()],
        ..Default::default()
    };
    if let Ok(answer) = session.publish().preview_audience(timed(request)).await {
        println!("  {}", answer.into_inner().in_words);
    }
}

/// Says for whom a message waits.
pub fn waits(status: &v1::ReviewStatus) {
    if let Some(until) = &status.lapse_at {
        let missing = usize::try_from(status.approvals_needed).unwrap_or(0).saturating_sub(status.approvals.len());
        let until = print::time(Some(until));
        println!("{missing} of {} must agree by {until}.", status.reviewer_ids.join(", "));
    }
}

async fn decide(
    connection: &Connection,
    session: &Session,
    seen: v1::Message,
    decision: v1::ReviewDecision,
    (comment, release_at): (String, Option<prost_types::Timestamp>),
) -> Result<(), Failure> {
    let request = v1::ReviewMessageRequest {
        message_id: seen.message_id,
        fingerprint: seen.review.unwrap_or_default().fingerprint,
        decision: decision.into(),
        comment,
        release_at,
    };
    let answer = session.access().review_message(timed(request)).await?.into_inner();
    if connection.json {
        return print::json("ReviewMessageResponse", &answer);
    }
    let message = answer.message.unwrap_or_default();
    println!("{} is {}.", message.message_id, print::state(message.state));
    if let Some(status) = &message.review {
        println!("{}", status.why);
        waits(status);
    }
    Ok(())
}

fn title(message: &v1::Message) -> &str {
    message.publish.as_ref().map_or("", publish::title)
}
