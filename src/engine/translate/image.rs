//! When a container's image is fetched (Compose specification, services, `pull_policy`).

use super::{Translation, read};
use crate::cluster::Pull;
use crate::value::Value;

const DAY: u64 = 24 * 60 * 60;

impl Translation<'_> {
    /// When the image is fetched, according to `pull_policy`.
    pub(super) fn pull(&mut self, value: &Value) -> Pull {
        let path = self.path("pull_policy");
        let Some(text) = read::text(value, &path, &mut self.faults) else {
            return Pull::default();
        };
        match text.as_str() {
            "" | "missing" | "if_not_present" => Pull::Missing,
            "always" => Pull::Always,
            "never" => Pull::Never,
            "daily" => Pull::Every(DAY),
            "weekly" => Pull::Every(7 * DAY),
            "build" => {
                self.faults.refuse_value(&path);
                Pull::default()
            }
            "refresh" => match self.service.get("pull_refresh_after").and_then(Value::scalar) {
                None => Pull::Missing,
                Some(period) => self.period(&period, "pull_refresh_after"),
            },
            text => match text.strip_prefix("every_") {
                Some(period) => self.period(period, "pull_policy"),
                None => {
                    let known = "`always`, `never`, `missing`, `if_not_present`, `daily`, `weekly` or `every_12h`";
                    self.faults.wrong(&path, known, value);
                    Pull::default()
                }
            },
        }
    }

    /// A period in weeks, days and the units of a duration, such as the `12h` of `every_12h`.
    fn period(&mut self, text: &str, key: &str) -> Pull {
        match read::seconds(text) {
            Some(seconds) => Pull::Every(seconds),
            None => {
                self.wrong(key, &format!("a period such as `12h` or `1w2d`, found `{text}`"));
                Pull::default()
            }
        }
    }
}
