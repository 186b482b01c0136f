//! A client of the tests' own: one connection, one command after the other (RESP 2).

use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::UnixStream;

/// Maximum time for an answer: a server that is stopped gives none.
const PATIENCE: Duration = Duration::from_secs(5);

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisReply {
    Nothing,
    Number(i64),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    /// An error of the server, such as `READONLY ...`.
    Error(String),
}

impl RedisReply {
    /// Returns all bytes in it, one part after the other.
    pub fn flat(&self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Number(number) => number.to_string().into_bytes(),
            Self::Bytes(bytes) => bytes.clone(),
            Self::List(all) => {
                all.iter().flat_map(|it| [it.flat(), vec![b'\n']].concat()).collect()
            }
            Self::Error(text) => text.clone().into_bytes(),
        }
    }

    /// Returns the same as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.flat()).into_owned()
    }

    /// Returns the elements of a list.
    pub fn list(self) -> Vec<Self> {
        let Self::List(all) = self else { panic!("not a list: {self:?}") };
        all
    }
}

/// A connection over the unix socket that every server of the tests has.
pub struct RedisClient(BufStream<UnixStream>);

impl RedisClient {
    /// Connects, and proves who it is with the words after `AUTH`, if there are any.
    pub async fn connect(socket: &Path, auth: &[&str]) -> std::io::Result<Self> {
        let stream = tokio::time::timeout(PATIENCE, UnixStream::connect(socket)).await??;
        let mut client = Self(BufStream::new(stream));
        if !auth.is_empty() {
            client.ask(&[&["AUTH"], auth].concat()).await?;
        }
        Ok(client)
    }

    /// Sends a command and returns its answer, which may be an error of the server.
    pub async fn ask(&mut self, words: &[&str]) -> std::io::Result<RedisReply> {
        let words: Vec<_> = words.iter().map(|it| it.as_bytes()).collect();
        self.ask_bytes(&words).await
    }

    /// The same for words that are no text.
    pub async fn ask_bytes(&mut self, words: &[&[u8]]) -> std::io::Result<RedisReply> {
        let mut out = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            out.extend_from_slice(word);
            out.extend_from_slice(b"\r\n");
        }
        let answer = async {
            self.0.write_all(&out).await?;
            self.0.flush().await?;
            self.read().await
        };
        tokio::time::timeout(PATIENCE, answer).await?
    }

    /// Reads one answer, or one message that the server sends by itself.
    pub async fn read(&mut self) -> std::io::Result<RedisReply> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end().split_at(1);
        let number = || rest.parse::<i64>().unwrap();
        Ok(match kind {
            "+" => RedisReply::Bytes(rest.as_bytes().to_vec()),
            "-" => RedisReply::Error(rest.to_owned()),
            ":" => RedisReply::Number(number()),
            "$" | "*" if number() < 0 => RedisReply::Nothing,
            "$" => {
                let mut bytes = vec![0; usize::try_from(number()).unwrap() + 2];
                self.0.read_exact(&mut bytes).await?;
                bytes.truncate(bytes.len() - 2);
                RedisReply::Bytes(bytes)
            }
            "*" => {
                let mut all = Vec::new();
                for _ in 0..number() {
                    all.push(Box::pin(self.read()).await?);
                }
                RedisReply::List(all)
            }
            _ => panic!("not RESP: {line:?}"),
        })
    }
}
