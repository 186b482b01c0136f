//! The people of a run: who is signed in, and who was signed out how.

use super::exchange::send;
use super::fleet::Fleet;
use super::verdict::{LIFETIME, SessionEnd};
use crate::world::browser::{NAVIGATION, TestBrowser};
use futures_util::StreamExt as _;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;
use url::Url;

/// People of the emulator who can sign in without further ado.
const PEOPLE: [&str; 5] = [
    "maya@contoso.example",
    "tom@contoso.example",
    "ines@contoso.example",
    "zoe@contoso.example",
    "priya@fabrikam.example",
];

const SIGN_INS_AT_ONCE: usize = 8;

/// A browser in which somebody is signed in.
pub struct SignedInBrowser {
    pub person: &'static str,
    pub cookie: String,
    browser: tokio::sync::Mutex<TestBrowser>,
}

/// All browsers, and what became of their sessions.
pub struct People {
    pub sessions: Vec<SignedInBrowser>,
    pub ends: Mutex<BTreeMap<usize, SessionEnd>>,
}

impl People {
    /// Signs in that many, at one replica after the other.
    pub async fn sign_in(fleet: &Fleet, count: usize) -> Self {
        let one = |number: usize| async move {
            let (address, _) = fleet.place(number % fleet.replicas.len());
            let person = PEOPLE[number % PEOPLE.len()];
            let mut browser = TestBrowser::new(address, &fleet.public_url);
            browser.visits("/x").await;
            let page = browser.signs_in_as(person).await;
            assert_eq!(page.status, 200, "{person}: {}", page.body);
            SignedInBrowser { person, cookie: browser.cookie_header(), browser: browser.into() }
        };
        let all = futures_util::stream::iter(0..count).map(one).buffered(SIGN_INS_AT_ONCE);
        Self { sessions: all.collect().await, ends: Mutex::default() }
    }

    /// Whether the session was not ended, nor is about to be.
    pub fn is_signed_in(&self, session: usize) -> bool {
        !self.ends.lock().unwrap().contains_key(&session)
    }

    /// Notes the end before it is asked for, since it may count before the answer is here.
    fn begins(&self, all: &[usize], how: &'static str, replica: usize, life: u32) {
        let asked = Instant::now();
        let end = SessionEnd { how, replica, life, asked, done: None };
        let mut ends = self.ends.lock().unwrap();
        for session in all {
            ends.entry(*session).or_insert(end);
        }
    }

    fn is_done(&self, all: &[usize]) {
        let mut ends = self.ends.lock().unwrap();
        for end in
            all.iter().filter_map(|it| ends.get(it).map(|end| (*it, *end))).collect::<Vec<_>>()
        {
            ends.insert(end.0, SessionEnd { done: end.1.done.or(Some(Instant::now())), ..end.1 });
        }
    }

    /// The person signs out, at this replica.
    pub async fn signs_out(&self, fleet: &Fleet, session: usize, replica: usize) {
        let (address, life) = fleet.place(replica);
        self.begins(&[session], "sign-out", replica, life);
        let head =
            NAVIGATION.iter().map(|it| format!("{}: {}\r\n", it.0, it.1)).collect::<String>();
        let request = format!(
            "POST /oauth2/sign_out HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nOrigin: {}\r\n{}\
             Content-Length: 0\r\nConnection: close\r\n\r\n",
            fleet.host(),
            self.sessions[session].cookie,
            fleet.public_url,
            head.replace("sec-fetch-site: none", "sec-fetch-site: same-origin"),
        );
        if send(address, &request).await.is_ok_and(|it| it.starts_with("HTTP/1.1 303")) {
            self.is_done(&[session]);
        }
    }

    /// The person signs out at Entra, whose page tells this replica.
    pub async fn signs_out_at_entra(&self, fleet: &Fleet, session: usize, replica: usize) {
        let emulator = &fleet.emulator;
        let url = format!("{}/{}/oauth2/v2.0/logout", emulator.authority(), emulator.tenant_id());
        let mut browser = self.sessions[session].browser.lock().await;
        let page = browser.opens(&Url::parse(&url).unwrap()).await;
        let (_, frame) = page.body.split_once("<iframe").expect("no frame");
        let frame = frame.split_once("src=\"").unwrap().1.split('"').next().unwrap();
        let frame = Url::parse(&frame.replace("&amp;", "&")).unwrap();
        let (address, life) = fleet.place(replica);
        self.begins(&[session], "front-channel logout", replica, life);
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\n\
             Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: iframe\r\nConnection: close\r\n\r\n",
            &frame[url::Position::BeforePath..],
            fleet.host(),
        );
        if send(address, &request).await.is_ok_and(|it| it.starts_with("HTTP/1.1 2")) {
            self.is_done(&[session]);
        }
    }

    /// An operator ends all sessions of one person, at this replica.
    pub async fn is_revoked(&self, fleet: &Fleet, person: &str, replica: usize) {
        let all: Vec<_> =
            (0..self.sessions.len()).filter(|it| self.sessions[*it].person == person).collect();
        let (_, life) = fleet.place(replica);
        let admin = fleet.replicas[replica].read().unwrap().admin;
        let oid = fleet.emulator.people().iter().find(|it| it.user_name == person).unwrap();
        let body = format!("{{\"user\":\"{}\"}}", oid.oid);
        self.begins(&all, "revocation", replica, life);
        let request = format!(
            "POST /sessions/revoke HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if send(admin, &request).await.is_ok_and(|it| it.starts_with("HTTP/1.1 200")) {
            self.is_done(&all);
        }
    }

    /// Every session has ended by now, whatever became of it: its time is over.
    pub fn time_is_over(&self, fleet: &Fleet) {
        let all: Vec<_> = (0..self.sessions.len()).collect();
        // No replica was asked, so none knows of it before the others.
        self.begins(&all, LIFETIME, fleet.replicas.len(), 0);
        self.is_done(&all);
    }

    /// Returns one of the people whom a revocation may concern: enough others stay signed in.
    pub fn revocable(number: usize) -> &'static str {
        PEOPLE[3 + number % 2]
    }

    /// Returns a session that goes on, counted from a number.
    pub fn somebody(&self, from: usize) -> Option<usize> {
        let count = self.sessions.len();
        (0..count).map(|it| (from + it) % count).find(|it| self.is_signed_in(*it))
    }
}
