//! A saga: a trip is booked in three steps, and what was booked is undone, last first, when one of them fails.
//!
//! ```text
//! cargo run --example saga [DATABASE]
//! ```
//!
//! There is no machinery for it: an error is a value, and what was done is a list. That both survive crashes is what makes it a saga: killed
//! after the hotel was booked, `book_trip` goes on with the car; killed while it undoes, it goes on undoing. Try it: name a database, kill it
//! by `kill -9`, and start it again.

use std::{error::Error, time::Duration};

use clap::Parser;
use serde::{Deserialize, Serialize};
use stent::prelude::*;

/// What is booked for one trip.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Part {
    Flight,
    Hotel,
    Car,
}

/// A booking, as the one who took it knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Booking {
    part: Part,
    number: String,
}

/// Books all parts of a trip, or none.
#[durable]
async fn book_trip(city: String) -> stent::Result<Vec<Booking>> {
    let mut booked = Vec::new();
    for part in [Part::Flight, Part::Hotel, Part::Car] {
        match book(part, city.clone()).await {
            Ok(booking) => booked.push(booking),
            Err(error) => {
                return Err(undo_all(booked, error).await);
            }
        }
    }
    Ok(booked)
}

/// Undoes all that was booked, and gives the reason. One booking that cannot be undone leaves no other in place, and is named.
async fn undo_all(booked: Vec<Booking>, reason: stent::Error) -> stent::Error {
    let mut stuck = Vec::new();
    for booking in booked.into_iter().rev() {
        let name = format!("{:?} {}", booking.part, booking.number);
        if let Err(error) = undo(booking).await {
            stuck.push(format!("{name} is still booked: {error}"));
        }
    }
    match stuck.is_empty() {
        true => reason,
        false => stent::fatal(format!("{reason}; {}", stuck.join("; "))),
    }
}

/// Books one part. A service that is down is asked again; one that has nothing is not.
#[durable(retry(max_attempts = 3, initial_delay = "20ms"))]
async fn book(part: Part, city: String) -> stent::Result<Booking> {
    if matches!(part, Part::Car) && city == "Venice" {
        return Err(stent::fatal("there are no cars in Venice"));
    }
    // The same number again if this body is begun again, after a crash too: the other side sees one booking.
    let booking = Booking {
        part,
        number: stent::uuid()?.simple().to_string()[..8].to_owned(),
    };
    say(&format!("  booked {part:?}: {}", booking.number));
    Ok(booking)
}

/// Undoes a booking. It must not give up: the customer would pay for what is of no use.
#[durable(retry(max_attempts = 1_000, max_delay = "1h"))]
async fn undo(booking: Booking) -> stent::Result<()> {
    say(&format!("  undid {:?}: {}", booking.part, booking.number));
    Ok(())
}

/// A saga: a trip is booked whole, or what was booked is undone
#[derive(Parser)]
struct Options {
    /// The database; by default one that is gone when it ends
    database: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let database = Options::parse()
        .database
        .unwrap_or_else(|| folder.path().join("trips.db").display().to_string());
    let stent = Stent::open(&format!("sqlite:{database}")).await?;
    let worker = stent
        .worker()
        .register(functions![book_trip, book, undo])
        // What a killed process was at goes on after two seconds.
        .lease_duration(Duration::from_secs(2))
        .start()
        .await?;
    for city in ["Lisbon", "Venice"] {
        say(&format!("a trip to {city}"));
        // The key makes a second start of this program ask for the same trip.
        let trip = book_trip(city.to_owned()).idempotency_key(city);
        match stent.run(trip).await {
            Ok(bookings) => say(&format!("  all {} parts are booked", bookings.len())),
            Err(error) => say(&format!("  no trip: {}", reason(&error))),
        }
    }
    worker.drain().await?;
    Ok(())
}

/// What is at the root of an error.
fn reason(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), reason)
}

#[expect(clippy::print_stdout, reason = "an example talks to people")]
fn say(what: &str) {
    println!("{what}");
}
