//! Some of a list of unknown length, spread over all of it.

/// The most that are kept.
const MOST: usize = 20;

/// Every n-th that was added, where n doubles when there are too many.
#[derive(Debug, Default)]
pub struct Sample {
    urls: Vec<String>,
    added: usize,
    /// The binary logarithm of n.
    step: u32,
}

impl Sample {
    /// Keeps one, or not.
    pub fn add(&mut self, url: &str) {
        if self.added.is_multiple_of(1 << self.step) {
            self.urls.push(url.to_string());
        }
        self.added += 1;
        if self.urls.len() > MOST {
            let mut n = 0;
            self.urls.retain(|_| {
                n += 1;
                n % 2 == 1
            });
            self.step += 1;
        }
    }

    /// Those that were kept.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_spread_over_all() {
        let mut sample = Sample::default();
        for n in 0..20 {
            sample.add(&n.to_string());
        }
        assert_eq!(sample.urls().len(), 20, "few are kept all");
        for n in 20..1_000_000 {
            sample.add(&n.to_string());
            assert!((10..=MOST).contains(&sample.urls().len()), "{n}");
        }
        let kept: Vec<usize> = sample.urls().iter().map(|url| url.parse().unwrap_or(0)).collect();
        assert_eq!(kept[0], 0);
        assert!(kept.windows(2).all(|two| two[1] - two[0] == kept[1]) && kept[kept.len() - 1] > 900_000, "{kept:?}");
    }
}
