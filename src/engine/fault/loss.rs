//! Finds out why there was no response, from the system's or TLS's error behind an error of the connection.

use crate::text::causes;
use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError};

/// Why there was no response, as far as hints depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The path does not exist: that of the socket, or of the program to connect with.
    NotFound,
    /// The user may not open the socket.
    Denied,
    /// Nobody listens there (`ECONNREFUSED`).
    Refused,
    /// The other side closed the connection (`ECONNRESET`).
    Reset,
    /// The connection was not made in time.
    TimedOut,
    /// The other side expects TLS, which was not used.
    TlsWanted,
    /// The other side does not speak TLS, which was used.
    TlsUnknown,
    /// The other side expects a client certificate, or another one.
    CertificateWanted,
    /// The certificate of the other side is for other names.
    CertificateOfAnother,
    /// The certificate of the other side is invalid for another reason, mostly because no trusted authority has signed
    /// it.
    CertificateInvalid,
    /// Another reason, which only the error's text tells.
    Other,
}

impl Loss {
    pub(super) fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut found = Self::Other;
        for cause in causes(error) {
            if let Some(tls) = cause.downcast_ref() {
                return Self::of_tls(tls);
            }
            if let Some(io) = cause.downcast_ref::<io::Error>() {
                found = match io.kind() {
                    io::ErrorKind::NotFound => Self::NotFound,
                    io::ErrorKind::PermissionDenied => Self::Denied,
                    io::ErrorKind::ConnectionRefused => Self::Refused,
                    io::ErrorKind::ConnectionReset => Self::Reset,
                    io::ErrorKind::TimedOut => Self::TimedOut,
                    _ => Self::Other,
                };
            }
        }
        found
    }

    fn of_tls(error: &rustls::Error) -> Self {
        use AlertDescription as Alert;
        use rustls::Error as Tls;
        match error {
            Tls::InvalidMessage(_) => Self::TlsUnknown,
            Tls::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => Self::CertificateOfAnother,
            Tls::InvalidCertificate(_) => Self::CertificateInvalid,
            // Servers use any of these alerts for a certificate that is missing or not trusted.
            Tls::AlertReceived(
                Alert::CertificateRequired
                | Alert::HandshakeFailure
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateUnknown
                | Alert::CertificateExpired
                | Alert::CertificateRevoked
                | Alert::UnknownCA,
            ) => Self::CertificateWanted,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use bollard::errors::Error;

    use super::super::Fault;
    use super::*;

    #[test]
    fn no_answer_is_told_by_its_cause() {
        use rustls::{Error as Tls, InvalidMessage};
        let system = |kind: io::ErrorKind, number| {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(error.kind(), kind);
            error
        };
        let tls = |error: Tls| io::Error::new(io::ErrorKind::InvalidData, error);
        let certificate = |error| tls(Tls::InvalidCertificate(error));
        let alert = |alert| tls(Tls::AlertReceived(alert));
        let timed_out = || io::Error::new(io::ErrorKind::TimedOut, "no connection in 30 s");
        let ssh = || io::Error::new(io::ErrorKind::NotFound, "cannot run `ssh`: no such file or directory");
        let cases = [
            (
                system(io::ErrorKind::NotFound, 2),
                Loss::NotFound,
                "no such file or directory",
            ),
            (
                system(io::ErrorKind::PermissionDenied, 13),
                Loss::Denied,
                "permission denied",
            ),
            (
                system(io::ErrorKind::ConnectionRefused, 111),
                Loss::Refused,
                "connection refused",
            ),
            (
                system(io::ErrorKind::ConnectionReset, 104),
                Loss::Reset,
                "connection reset by peer",
            ),
            (timed_out(), Loss::TimedOut, "no connection in 30 s"),
            (ssh(), Loss::NotFound, "cannot run `ssh`: no such file or directory"),
            (
                tls(Tls::InvalidMessage(InvalidMessage::InvalidContentType)),
                Loss::TlsUnknown,
                "received corrupt message of type InvalidContentType",
            ),
            (
                certificate(CertificateError::UnknownIssuer),
                Loss::CertificateInvalid,
                "invalid peer certificate: UnknownIssuer",
            ),
            (
                certificate(CertificateError::NotValidForName),
                Loss::CertificateOfAnother,
                "invalid peer certificate: NotValidForName",
            ),
            (
                alert(AlertDescription::CertificateRequired),
                Loss::CertificateWanted,
                "received fatal alert: CertificateRequired",
            ),
            (
                alert(AlertDescription::HandshakeFailure),
                Loss::CertificateWanted,
                "received fatal alert: HandshakeFailure",
            ),
            (
                alert(AlertDescription::InternalError),
                Loss::Other,
                "received fatal alert: InternalError",
            ),
            (
                io::Error::other("Host key verification failed."),
                Loss::Other,
                "Host key verification failed.",
            ),
        ];
        for (error, loss, words) in cases {
            // The cause is wrapped in an error of each layer.
            let wrapped = Error::IOError {
                err: io::Error::other(error),
            };
            assert_eq!(Fault::from(wrapped), Fault::Lost(loss, words.to_owned()));
        }
    }
}
