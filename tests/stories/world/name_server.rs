//! A name server on loopback that answers questions for TXT records over UDP.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;

/// What is answered for a name; without an entry, the name does not exist.
#[derive(Clone)]
pub enum NameAnswer {
    /// Records with these texts.
    Texts(Vec<String>),
    /// An alias (CNAME) of another name, which has these texts.
    Alias(&'static str, Vec<String>),
    /// A response code, such as 2 for SERVFAIL.
    Code(u8),
    /// Nothing at all.
    Silence,
}

pub struct NameServer {
    pub address: SocketAddr,
    names: Arc<Mutex<HashMap<String, NameAnswer>>>,
    asked: Arc<Mutex<Vec<String>>>,
    served: tokio::task::JoinHandle<()>,
}

impl NameServer {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (names, asked) = (Arc::<Mutex<HashMap<_, _>>>::default(), Arc::default());
        let address = socket.local_addr().unwrap();
        let served = tokio::spawn(serve(socket, Arc::clone(&names), Arc::clone(&asked)));
        Self { address, names, asked, served }
    }

    /// The line of `[directory]` that leads there.
    pub fn line(&self) -> String {
        format!("dns_server = \"{}\"", self.address)
    }

    pub fn answers(&self, name: &str, answer: NameAnswer) {
        self.names.lock().unwrap().insert(name.to_owned(), answer);
    }

    /// The names that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.served.abort();
    }
}

async fn serve(
    socket: UdpSocket,
    names: Arc<Mutex<HashMap<String, NameAnswer>>>,
    asked: Arc<Mutex<Vec<String>>>,
) {
    let mut packet = [0; 1500];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut packet).await else { continue };
        let (name, question) = question(&packet[12..length]);
        asked.lock().unwrap().push(name.clone());
        let answer = names.lock().unwrap().get(&name).cloned();
        let (code, records) = match answer {
            None => (3, Vec::new()),
            Some(NameAnswer::Silence) => continue,
            Some(NameAnswer::Code(code)) => (code, Vec::new()),
            Some(NameAnswer::Texts(all)) => {
                (0, all.iter().map(|it| text(&[0xc0, 12], it)).collect())
            }
            Some(NameAnswer::Alias(other, all)) => {
                let other = wire_name(other);
                let alias = record(&[0xc0, 12], 5, &other);
                let texts = all.iter().map(|it| text(&other, it));
                (0, std::iter::once(alias).chain(texts).collect())
            }
        };
        // RFC 1035 section 4.1.1: a response to a question with recursion, which is available.
        let mut out = packet[..2].to_vec();
        out.extend([0x81, 0x80 | code, 0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
        out.extend(question);
        out.extend(records.concat());
        let _ = socket.send_to(&out, from).await;
    }
}

/// The name of a question in lower case, and the whole question.
fn question(after: &[u8]) -> (String, Vec<u8>) {
    let (mut at, mut labels) = (0, Vec::new());
    while after[at] != 0 {
        let end = at + 1 + usize::from(after[at]);
        labels.push(String::from_utf8_lossy(&after[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), after[..at + 5].to_vec())
}

fn wire_name(name: &str) -> Vec<u8> {
    let label = |it: &str| [&[u8::try_from(it.len()).unwrap()], it.as_bytes()].concat();
    let mut out: Vec<u8> = name.split('.').flat_map(label).collect();
    out.push(0);
    out
}

fn record(name: &[u8], kind: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [name, &[0, kind, 0, 1, 0, 0, 0, 60], &length, data].concat()
}

/// A TXT record; a text of more than 255 bytes has several strings.
fn text(name: &[u8], text: &str) -> Vec<u8> {
    let part = |it: &[u8]| [&[u8::try_from(it.len()).unwrap()], it].concat();
    let data: Vec<u8> = text.as_bytes().chunks(255).flat_map(part).collect();
    record(name, 16, &data)
}
