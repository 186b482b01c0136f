//! HTTP/2 frame by frame (RFC 9113), for clients that misbehave in ways a library does not allow.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flag on DATA and HEADERS.
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
/// Flag on SETTINGS and PING.
pub const ACK: u8 = 1;

pub const SETTINGS_HEADER_TABLE_SIZE: u16 = 1;
pub const SETTINGS_MAX_CONCURRENT_STREAMS: u16 = 3;
pub const SETTINGS_INITIAL_WINDOW_SIZE: u16 = 4;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A received frame.
#[derive(Debug)]
pub struct RawFrame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A connection that sends exactly the given frames and follows no protocol rules by itself.
pub struct RawHttp2 {
    pub io: TcpStream,
    next: u32,
    /// Received bytes that do not yet form a whole frame.
    received: Vec<u8>,
}

impl RawHttp2 {
    /// Connects and sends the preface with these settings.
    pub async fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), settings).await
    }

    /// Connects in the same way with a small receive buffer, so that the sender soon stalls if the
    /// client does not read.
    pub async fn connect_narrow(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::over(socket.connect(address).await.unwrap(), settings).await
    }

    async fn over(io: TcpStream, settings: &[(u16, u32)]) -> Self {
        let mut out = Self { io, next: 1, received: Vec::new() };
        let settings = frame(SETTINGS, 0, 0, &settings_payload(settings));
        out.io.write_all(&[PREFACE, &settings].concat()).await.unwrap();
        out
    }

    /// Serves an accepted connection: reads the client's preface and sends these settings.
    pub async fn accept(mut io: TcpStream, settings: &[(u16, u32)]) -> Self {
        let mut preface = [0; PREFACE.len()];
        io.read_exact(&mut preface).await.unwrap();
        assert_eq!(preface, PREFACE);
        let mut out = Self { io, next: 2, received: Vec::new() };
        out.sends(SETTINGS, 0, 0, &settings_payload(settings)).await;
        out
    }

    /// Returns the stream of the next request.
    pub async fn next_request(&mut self) -> Option<u32> {
        loop {
            let frame = self.next().await?;
            self.acknowledges(&frame).await;
            if frame.kind == HEADERS {
                return Some(frame.stream);
            }
        }
    }

    /// Returns the stream and the body of the next request whose body has ended.
    pub async fn next_upload(&mut self) -> Option<(u32, String)> {
        let mut bodies = std::collections::HashMap::<u32, Vec<u8>>::new();
        loop {
            let frame = self.next().await?;
            self.acknowledges(&frame).await;
            if matches!(frame.kind, HEADERS | DATA) {
                let body = bodies.entry(frame.stream).or_default();
                if frame.kind == DATA {
                    body.extend(&frame.payload);
                }
                if frame.flags & END_STREAM != 0 {
                    return Some((frame.stream, String::from_utf8_lossy(body).into_owned()));
                }
            }
        }
    }

    /// Acknowledges the client's settings and its PINGs.
    pub async fn acknowledges(&mut self, frame: &RawFrame) {
        if matches!(frame.kind, SETTINGS | PING) && frame.flags & ACK == 0 {
            let payload = if frame.kind == PING { &frame.payload[..] } else { b"" };
            self.sends(frame.kind, ACK, 0, payload).await;
        }
    }

    /// Answers a stream: 200, and this body unless the stream remains open.
    pub async fn answers(&mut self, stream: u32, body: Option<&str>) {
        let head = [vec![0x10], text(":status"), text("200")].concat();
        self.sends(HEADERS, END_HEADERS, stream, &head).await;
        if let Some(body) = body {
            self.sends(DATA, END_STREAM, stream, body.as_bytes()).await;
        }
    }

    /// Ends the connection for the streams after `last`.
    pub async fn goes_away(&mut self, last: u32, code: u32) {
        let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
        self.sends(GOAWAY, 0, 0, &payload).await;
    }

    /// Sends a GET without a body; returns its stream ID.
    pub async fn gets(&mut self, host: &str, path: &str, headers: &[(&str, &str)]) -> u32 {
        let stream = self.next_stream();
        let head =
            frame(HEADERS, END_HEADERS | END_STREAM, stream, &head("GET", host, path, headers));
        self.io.write_all(&head).await.unwrap();
        stream
    }

    pub fn next_stream(&mut self) -> u32 {
        let stream = self.next;
        self.next += 2;
        stream
    }

    /// Sends a frame; returns `false` if the connection has ended.
    pub async fn sends(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.io.write_all(&frame(kind, flags, stream, payload)).await.is_ok()
    }

    pub async fn pings(&mut self) -> bool {
        self.sends(PING, 0, 0, b"pingpong").await
    }

    pub async fn opens_window(&mut self, stream: u32, bytes: u32) -> bool {
        self.sends(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes()).await
    }

    /// Returns the next frame, or `None` if the connection has ended. If the future is dropped
    /// midway, the bytes read so far are kept.
    pub async fn next(&mut self) -> Option<RawFrame> {
        loop {
            if let Some(frame) = self.received_frame() {
                return Some(frame);
            }
            if self.io.read_buf(&mut self.received).await.ok()? == 0 {
                return None;
            }
        }
    }

    fn received_frame(&mut self) -> Option<RawFrame> {
        let head = self.received.get(..9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        let payload = self.received.get(9..9 + length)?.to_vec();
        self.received.drain(..9 + length);
        Some(RawFrame { kind, flags, stream, payload })
    }

    /// Returns the next frame if it arrives within this time.
    pub async fn next_within(&mut self, time: Duration) -> Option<Option<RawFrame>> {
        tokio::time::timeout(time, self.next()).await.ok()
    }
}

fn settings_payload(settings: &[(u16, u32)]) -> Vec<u8> {
    settings
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect()
}

/// Encodes a frame (RFC 9113 section 4.1).
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Encodes a request head, with every field literal and never indexed (RFC 7541 section 6.2.3).
pub fn head(method: &str, host: &str, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":authority", host), (":path", path)];
    pseudo
        .iter()
        .chain(headers)
        .flat_map(|(name, value)| [vec![0x10], text(name), text(value)].concat())
        .collect()
}

/// Encodes a string without Huffman coding (RFC 7541 sections 5.1 and 5.2).
pub fn text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    match u8::try_from(text.len()) {
        Ok(length) if length < 127 => out.push(length),
        _ => {
            out.push(127);
            let mut rest = text.len() - 127;
            while rest >= 128 {
                out.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            out.push(u8::try_from(rest).unwrap());
        }
    }
    out.extend(text.as_bytes());
    out
}
