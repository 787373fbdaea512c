//! `campanile demo`: a whole campus on this machine, a working day on it, and the books checked. Everything it does
//! goes through the public interface; the service and the stand-ins are processes of their own.

mod audience;
mod books;
mod callback;
mod caller;
mod campus;
mod check;
mod cluster;
mod day;
mod inboxes;
mod load;
mod names;
mod nodes;
mod places;
mod plan;
mod processes;
mod progress;
mod reviewer;
mod setting;
pub mod subscribers;
mod table;
mod takeover;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::client::Failure;
use super::{print, serve};
use audience::Who;
use books::Books;
use campanile::runtime::clock::{SharedClock, SystemClock};
use campus::Campus;
use day::Day;
use load::Loaded;
use places::{INBOX_GATEWAY, NOTICE_PLATFORM};
use processes::Process;
use setting::Stage;
use takeover::Kill;

/// How long the day may take until every message is final.
const DAY_DEADLINE: Duration = Duration::from_secs(60);
/// The smallest campus on which everything that is promised can happen.
const USERS_MIN: i64 = 1_500;

/// How the demo runs.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// End after the books are checked
    #[arg(long)]
    exit: bool,
    /// Let the mail stand-in cheat once: lose-one, duplicate-one or wrong-person
    #[arg(long = "break", value_name = "HOW", value_parser = ["lose-one", "duplicate-one", "wrong-person"])]
    break_how: Option<String>,
    /// The campus is drawn from this number
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// People on the campus
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(i64).range(USERS_MIN..=1_000_000))]
    users: i64,
    /// People with the app open, each on a stream of its own
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    subscribers: u32,
    /// Run so many nodes, 2 to 5, on a PostgreSQL and a Redis of the demo's own, and kill one of them half-way
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=5))]
    cluster: Option<u8>,
    /// Keep data and logs in this new folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Runs the demo; Ctrl-C or SIGTERM ends it and everything it started.
pub async fn run(args: DemoArgs) -> Result<(), Failure> {
    let checked = AtomicBool::new(false);
    tokio::select! {
        ended = Box::pin(story(args, &checked)) => ended,
        _ = serve::stop_signal() => {
            println!("\nEnding the service and the stand-ins.");
            match checked.load(Ordering::Relaxed) {
                true => Ok(()),
                false => Err(Failure::interrupted("ended before the books were checked")),
            }
        }
    }
}

/// `checked`: set when the books were found balanced.
async fn story(args: DemoArgs, checked: &AtomicBool) -> Result<(), Failure> {
    let clock = SystemClock::shared();
    let folder = setting::folder(args.keep.clone())?;
    println!("1. Starting the service and the stand-ins for its providers");
    let size = usize::try_from(args.users).unwrap_or_default();
    let nodes = args.cluster.map_or(1, usize::from);
    let mut stage = Stage::start(folder.path(), size, nodes, args.break_how.as_deref()).await?;
    // Otherwise they are gone before anybody could look.
    if args.keep.is_some() || !args.exit {
        println!("  logs in {}", folder.path().display());
    }
    let campus = Campus::draw(args.seed, size);

    println!("2. Loading a campus through the interface");
    let loaded = load::load(&stage.admin, &campus).await?;
    let sessions = stage.nodes.sessions();
    cluster::all_know(&sessions, &loaded, &campus).await?;
    let subscribers = usize::try_from(args.subscribers).unwrap_or_default();
    let people = inboxes::sample(args.seed, &campus, subscribers);
    let app = open_apps(&stage, &campus, &loaded, &people).await?;

    println!("3. A working day");
    let mut day = Day::new(&sessions, &loaded, &campus, clock.clone())?;
    day.reviewer = Some(reviewer::name(&stage.admin, &campus).await?);
    let worked = work(&mut day, &mut stage, &campus, &clock, args.seed).await;
    stage.check_running()?;
    let kill = worked?;

    println!("4. What became of it");
    let (mut books, created_at) = check::check(&stage.admin, &day, &campus, folder.path(), kill).await?;
    let gateway = stage.admin.with_token(&loaded.systems[INBOX_GATEWAY].token)?;
    let inboxes = inboxes::check(&gateway, &campus, &mut books, args.seed).await?;
    let screens = inboxes::check_screens(&mut books, &people, folder.path()).await?;
    let timing = table::Timing {
        accept: &day.accept,
        created_at: &created_at,
        screens: &screens,
        memory: stage.nodes.peak_memory(),
    };
    table::show(&campus, &books, &timing);

    let good = tell_books(&books, inboxes, people.len());
    checked.store(good, Ordering::Relaxed);
    println!("   {:.1} s in all", clock.monotonic().as_secs_f64());
    if good && !args.exit {
        invite(&stage, &day, &loaded);
        std::future::pending::<()>().await;
    }
    stage.end(app).await;
    folder.close();
    if good {
        Ok(())
    } else {
        Err(Failure::refused("the books do not balance; run again with --keep DIR to look at the logs"))
    }
}

/// Tells whether the books balance.
fn tell_books(books: &Books<'_>, inboxes: usize, apps: usize) -> bool {
    let (inboxes, apps) = (print::number(inboxes as u64), print::number(apps as u64));
    println!("\n5. The books: the providers' logs, every recipient over gRPC, {inboxes} inboxes, {apps} open apps");
    for line in books.repeated() {
        println!("   open at the kill: {line}");
    }
    let (good, verdict) = books.verdict();
    println!("{verdict}");
    good
}

/// Opens the apps of some people.
async fn open_apps(stage: &Stage, campus: &Campus, loaded: &Loaded, people: &[u32]) -> Result<Process, Failure> {
    let gateway = stage.admin.with_token(&loaded.systems[INBOX_GATEWAY].token)?;
    let tokens = load::user_tokens(&gateway, campus, people).await?;
    let app = subscribers::start(&stage.nodes.urls(), &stage.folder, campus, tokens.into_iter()).await?;
    println!("  {} people have the app open, each on a stream of its own.", print::number(people.len() as u64));
    Ok(app)
}

/// The day's publishes in their order. One of several nodes is killed half-way; tells what is known of that.
async fn work(
    day: &mut Day<'_>,
    stage: &mut Stage,
    campus: &Campus,
    clock: &SharedClock,
    seed: u64,
) -> Result<Option<Kill>, Failure> {
    let admin = &stage.admin.clone();
    let school = day.publish(plan::school_notice()).await?;
    println!("  whole-school notice: {}", day::in_short(&school));
    // Full mailboxes are tried again after some seconds; the day does not wait for them.
    let full = campus.people.iter().filter(|person| person.mailbox.as_ref().is_some_and(|m| m.starts_with("full.")));
    let full = i32::try_from(full.count()).unwrap_or(0);
    let (mut notices, mut kill) = (plan::notices(campus), None);
    let expression = notices[0].who.expression();
    if stage.nodes.all().len() > 1 {
        let (left, known) = takeover::run(day, &mut stage.nodes, clock, &school, notices).await?;
        (notices, kill) = (left, Some(known));
    }
    let took = progress::follow(admin, clock, &[school.message_id], full, DAY_DEADLINE).await?;
    println!("    settled in {:.1} s, but for {full} full mailboxes, which are tried again later.", took.as_secs_f64());

    let scheduled = day.publish_scheduled(plan::scheduled_notice()).await?;
    println!("  scheduled for 3 s later: {}", day::in_short(&scheduled));
    let first = day.published.len();
    println!("  {} notices by tag and department, such as {expression}", print::number(notices.len() as u64));
    day.publish_all(notices).await?;
    let ids: Vec<_> = day.published[first..].iter().map(|one| one.message_id.clone()).collect();
    progress::follow(admin, clock, &ids, full, DAY_DEADLINE).await?;
    println!(
        "  {} messages to one person each, on {} streams",
        print::number(plan::ONE_TO_ONE as u64),
        plan::personal_systems().len()
    );
    day.publish_streams(plan::one_to_one(seed, campus)).await?;

    refusals(day, campus).await?;
    callback::run(day).await?;
    progress::all_final(admin, clock, DAY_DEADLINE).await?;
    Ok(kill)
}

/// What must not lead to a message, or not to a second one, or to nobody.
async fn refusals(day: &mut Day<'_>, campus: &Campus) -> Result<(), Failure> {
    let mut outside = plan::notices(campus).swap_remove(0);
    outside.who = Who::under("law");
    outside.reference = "outside-grant".to_owned();
    let refusal = day.publish_in_vain(&outside).await?;
    println!("  {} to department:law: refused ({})", campus.systems[outside.system].title, refusal.reason);
    println!("    {}", refusal.message);
    if refusal.reason != "AUDIENCE_OUTSIDE_GRANT" {
        return Err(Failure::refused(format!("expected AUDIENCE_OUTSIDE_GRANT: {}", refusal.lines())));
    }
    let again = day.publish_again(0).await?;
    let same = again.duplicate && again.message_id == day.published[0].message_id;
    if !same {
        return Err(Failure::refused(format!("one idempotency key gave {} as well", again.message_id)));
    }
    println!("  the whole-school notice again with the same key: still {}, nothing is sent twice", again.message_id);
    let test = day.publish(plan::test_message(campus)).await?;
    println!(
        "  with a test key: {} to {} people, simulated and real; nobody gets it",
        test.message_id, test.recipient_count
    );
    Ok(())
}

/// Three commands to try while the service stays up.
fn invite(stage: &Stage, day: &Day<'_>, loaded: &Loaded) {
    let program = std::env::current_exe().map_or_else(|_| "campanile".to_owned(), |path| path.display().to_string());
    println!("\n6. The service stays up until Ctrl-C. Try, in another terminal:\n");
    println!(
        "  export CAMPANILE_URL={} CAMPANILE_TOKEN={}",
        stage.nodes.first().url,
        loaded.systems[NOTICE_PLATFORM].token
    );
    println!("  {program} whoami");
    println!("  {program} watch {}", day.published[0].message_id);
    println!(
        "  {program} publish --to 'grade:2021 AND department:cs' --title '你好' --body '第一条消息' --channel app --channel email"
    );
}
