//! The signals of Linux, which containers run on, as the engine knows them (signal(7), moby `sys/signal`).

use crate::text::decimal;

/// The names from 1 on, without `SIG`.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];
/// SIGKILL, which cannot be caught (signal(7)).
pub const KILL: u8 = 9;
/// SIGTERM, the request to exit (signal(7)).
pub const TERM: u8 = 15;
/// The first real-time signal; the C library keeps the two before it for itself.
const REAL_TIME_MIN: u8 = 34;
/// The last real-time signal.
const REAL_TIME_MAX: u8 = 64;

/// The name of the signal `number`, without `SIG`: `KILL`, `RTMIN+3`. `None` where there is no such signal.
#[must_use]
pub fn name(number: u8) -> Option<String> {
    Some(match number {
        REAL_TIME_MIN => "RTMIN".to_owned(),
        35..=49 => format!("RTMIN+{}", number - REAL_TIME_MIN),
        50..=63 => format!("RTMAX-{}", REAL_TIME_MAX - number),
        REAL_TIME_MAX => "RTMAX".to_owned(),
        _ => (*NAMES.get(usize::from(number).checked_sub(1)?)?).to_owned(),
    })
}

/// The number of the signal that `text` means: a name in either case, with `SIG` or without, or a number.
#[must_use]
pub fn number_of(text: &str) -> Option<u8> {
    if let Some(number) = decimal(text) {
        return name(number).map(|_| number);
    }
    let upper = text.to_ascii_uppercase();
    let asked = match upper.strip_prefix("SIG").unwrap_or(&upper) {
        // Other names for the same (signal(7)).
        "CLD" => "CHLD",
        "IOT" => "ABRT",
        "POLL" => "IO",
        asked => asked,
    };
    (1..=REAL_TIME_MAX).find(|number| name(*number).as_deref() == Some(asked))
}

/// The name of the signal that `text` means, as the engine takes it: `SIGHUP` for `hup` and `1`.
#[must_use]
pub fn name_of(text: &str) -> Option<String> {
    Some(format!("SIG{}", name(number_of(text)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_name_and_number() {
        for (text, expected) in [
            ("9", Some("SIGKILL")),
            ("SIGTERM", Some("SIGTERM")),
            ("hup", Some("SIGHUP")),
            ("31", Some("SIGSYS")),
            ("37", Some("SIGRTMIN+3")),
            ("rtmin", Some("SIGRTMIN")),
            ("rtmin+3", Some("SIGRTMIN+3")),
            ("SIGRTMIN+15", Some("SIGRTMIN+15")),
            ("RTMAX-14", Some("SIGRTMAX-14")),
            ("SIGRTMAX", Some("SIGRTMAX")),
        ] {
            assert_eq!(name_of(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_signal() {
        for text in [
            "",
            "0",
            "32",
            "33",
            "65",
            "+9",
            "-9",
            "FOO",
            "SIG",
            "SIGSIGHUP",
            "RTMIN++5",
            "RTMIN+",
            "RTMIN+0",
            "RTMIN+16",
            "RTMIN+03",
            "RTMIN-5",
            "RTMAX+1",
            "RTMAX-15",
            "RTMIN5",
        ] {
            assert_eq!(name_of(text), None, "{text}");
        }
    }
}
