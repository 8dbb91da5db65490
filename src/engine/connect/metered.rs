//! A bound for what is read of an answer. The client keeps all of it in memory before it looks at it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest answer that is read, in bytes, with its head: ten thousand containers take a quarter of it.
const LONGEST: u64 = 256 << 20;

/// The bytes that may yet be read from a connection.
#[derive(Clone, Debug)]
pub(super) struct Allowance(Arc<AtomicU64>);

impl Default for Allowance {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(LONGEST)))
    }
}

impl Allowance {
    /// Another answer begins, which is bounded unless it `streams`.
    pub(super) fn begin(&self, streams: bool) {
        let allowed = if streams { u64::MAX } else { LONGEST };
        self.0.store(allowed, Ordering::Relaxed);
    }

    /// Takes `count` bytes of it.
    ///
    /// # Errors
    /// There are not as many.
    fn take(&self, count: usize) -> io::Result<()> {
        let left = self.0.load(Ordering::Relaxed);
        if left == u64::MAX {
            return Ok(());
        }
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let left = left.checked_sub(count).ok_or_else(|| {
            let text = format!("the answer is longer than {} MiB", LONGEST >> 20);
            io::Error::new(io::ErrorKind::FileTooLarge, text)
        })?;
        self.0.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// Whether the answer to a request for `path` goes on for as long as there is something to tell, and is looked at as it
/// comes.
pub(super) fn streams(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    match parts.as_slice() {
        [.., "events"] | [.., "images", "create" | "load"] | [.., "exec", _, "start"] => true,
        [.., "containers", _, what] => ["archive", "attach", "logs", "stats", "wait"].contains(what),
        _ => false,
    }
}

/// A stream of which no more is read than is allowed.
pub(super) struct Metered<S> {
    stream: S,
    allowance: Allowance,
}

impl<S> Metered<S> {
    /// `stream`, within the `allowance`.
    pub(super) fn new(stream: S, allowance: Allowance) -> Self {
        Self { stream, allowance }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        match polled {
            Poll::Ready(Ok(())) => Poll::Ready(self.allowance.take(buffer.filled().len() - before)),
            other => other,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_bounded_unless_they_stream() {
        let allowance = Allowance::default();
        let all = usize::try_from(LONGEST).expect("64 bits");
        assert!(allowance.take(all).is_ok());
        assert_eq!(
            allowance.take(1).map_err(|e| e.to_string()),
            Err("the answer is longer than 256 MiB".to_owned())
        );
        allowance.begin(true);
        assert!(allowance.take(usize::MAX).is_ok() && allowance.take(usize::MAX).is_ok());
        allowance.begin(false);
        assert!(allowance.take(all + 1).is_err());
    }

    #[test]
    fn what_streams_is_known_by_its_path() {
        for path in [
            "/v1.41/events",
            "/containers/a/logs",
            "/v1.41/exec/0/start",
            "/images/create",
            "/containers/a/archive",
        ] {
            assert!(streams(path), "{path}");
        }
        for path in [
            "/v1.41/containers/json",
            "/containers/logs/json",
            "/images/load/json",
            "/exec/0/json",
            "/networks",
        ] {
            assert!(!streams(path), "{path}");
        }
    }
}
