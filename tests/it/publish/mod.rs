//! Publishing, cancelling and reporting on a real store; delivery and inbox are stand-ins that take notes.

mod accept;
mod cancel;
mod commit;
mod house;
mod preview;
mod release;
mod report;
mod review;
