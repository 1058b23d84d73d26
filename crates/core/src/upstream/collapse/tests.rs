#![allow(clippy::indexing_slicing, clippy::panic)]
use super::*;

const ANY: (Result<(), NotCollapsed>, Result<(), NotCollapsed>) = (Ok(()), Ok(()));
const NOW: Timestamp = Timestamp(1_000_000);

fn at(n: u64) -> (Key, Key, Option<u64>) {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&n.to_le_bytes());
    (Key(key), Key(key), None)
}

fn lead(all: &Flights, n: u64) -> Lead {
    match all.board(at(n), ANY, all.look(), NOW) {
        Boarding::Lead(lead) => lead,
        other => panic!("{other:?}"),
    }
}

fn follow(all: &Flights, n: u64) -> Follow {
    match all.board(at(n), ANY, all.look(), NOW) {
        Boarding::Follow(follow) => follow,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_leads_and_the_others_follow_until_it_is_over() {
    let all = Flights::default();
    let first = lead(&all, 1);
    let waiting = [follow(&all, 1), follow(&all, 1)];
    first.failed(Err(Failure::ConnectionRefused));
    drop(first);
    assert!(waiting.iter().all(|f| matches!(*f.flight.news.borrow(), News::Failed(Err(Failure::ConnectionRefused)))));
    drop(lead(&all, 1));
    drop(waiting);
    assert!(all.0.flights.borrow().is_empty());
    assert_eq!(all.0.waiting.get(), 0);
}

#[test]
fn what_is_abandoned_is_taken_over_once_and_never_stays() {
    let all = Flights::default();
    drop(lead(&all, 1));
    assert!(all.0.flights.borrow().is_empty());
    let first = lead(&all, 1);
    let second = follow(&all, 1);
    drop(first);
    assert!(matches!(*second.flight.news.borrow(), News::Abandoned));
    let third = follow(&all, 1);
    let next = second.take_over();
    assert!(matches!(*third.flight.news.borrow(), News::Asked));
    drop((second, third, next));
    assert!(all.0.flights.borrow().is_empty());
}

#[test]
fn who_was_taken_over_from_says_nothing_any_more() {
    let all = Flights::default();
    let first = lead(&all, 1);
    let second = follow(&all, 1);
    let next = second.take_over();
    first.failed(Ok(503));
    drop(first);
    assert!(matches!(*second.flight.news.borrow(), News::Asked));
    next.not_shared(NotCollapsed::NotStored);
    assert!(matches!(*second.flight.news.borrow(), News::NotShared(NotCollapsed::NotStored)));
}

#[test]
fn another_life_of_the_url_is_another_flight() {
    let all = Flights::default();
    let (key, primary, _) = at(1);
    let before = lead(&all, 1);
    assert!(matches!(all.board((key, primary, Some(7)), ANY, all.look(), NOW), Boarding::Lead(_)));
    let before_too = lead(&all, 2);
    all.part_from(&at(2).1);
    let after = lead(&all, 2);
    drop((before, before_too));
    assert_eq!(all.0.flights.borrow().len(), 1);
    drop(after);
}

#[test]
fn who_looked_before_it_landed_looks_again() {
    let all = Flights::default();
    let (first, before) = (lead(&all, 1), all.look());
    first.stored(NOW);
    drop(first);
    assert!(matches!(all.board(at(1), ANY, before, NOW), Boarding::Landed));
    assert!(matches!(all.board(at(1), ANY, all.look(), NOW), Boarding::Lead(_)));
}

#[test]
fn everything_is_bounded() {
    let all = Flights::default();
    let leads: Vec<_> = (0..MAX_FLIGHTS as u64).map(|n| lead(&all, n)).collect();
    let crowded = |n| matches!(all.board(at(n), ANY, all.look(), NOW), Boarding::Alone(NotCollapsed::Crowded));
    assert!(crowded(MAX_FLIGHTS as u64));
    let waiting: Vec<_> = (0..MAX_WAITING).map(|_| follow(&all, 0)).collect();
    assert!(crowded(0));
    let others: Vec<_> = (0..MAX_WAITING_IN_ALL - MAX_WAITING).map(|_| follow(&all, 1)).collect();
    assert!(crowded(1) && crowded(2));
    drop((waiting, others));
    drop(follow(&all, 2));
    for (n, lead) in (0..).zip(&leads) {
        lead.stored(Timestamp(NOW.0 + n));
    }
    drop(leads);
    let late = Timestamp(NOW.0 + 100_000);
    let Boarding::Lead(one_more) = all.board(at(1 << 20), ANY, all.look(), late) else { panic!("there is room") };
    one_more.stored(late);
    assert!(all.0.landed.borrow().len() <= MAX_FLIGHTS);
}

#[test]
fn many_look_less_often() {
    let ms = |waited, waiting| pause(waited, waiting).as_millis();
    assert_eq!((ms(0, 1), ms(8, 1), ms(80, 1), ms(800, 1), ms(8000, 1)), (2, 2, 5, 50, 100));
    assert_eq!((ms(0, 1000), ms(0, 10_000), ms(400, 1000)), (10, 100, 25));
}
