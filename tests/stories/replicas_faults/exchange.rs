//! One request on a connection of its own, to a process that may die meanwhile.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Maximum time for a request of the run.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// Sends a request that asks to close the connection; returns the answer, or why there is none.
pub async fn send(address: SocketAddr, request: &str) -> Result<String, String> {
    let mut heard = Vec::new();
    let both = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_end(&mut heard).await
    };
    match tokio::time::timeout(PATIENCE, both).await {
        Err(_) => Err("not in time".to_owned()),
        Ok(Err(why)) => Err(why.to_string()),
        Ok(Ok(0)) => Err("closed without an answer".to_owned()),
        Ok(Ok(_)) => Ok(String::from_utf8_lossy(&heard).into_owned()),
    }
}
