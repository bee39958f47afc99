//! Hostile inputs for whatever reads bytes or text from outside: a corpus, and what chance makes of it.
//!
//! A target is a test that hands each input to the code in question and asserts what must hold of its answer. This
//! module chooses the inputs and tells which one failed; it does not know what is read. For a moment by default,
//! and as long as wanted with `JOBQ_FUZZ_SECONDS=600`; a run is repeated by `JOBQ_FUZZ_SEED`, which a failure tells.

// Not `cfg(test)`, so the leave that tests have must be given by hand.
#![allow(clippy::unwrap_used, reason = "this is test code: a panic is how it says what is wrong")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a target runs if nothing else is asked for.
const SHORT: Duration = Duration::from_millis(700);
/// No input is longer, but for those of the corpus.
const LONGEST: usize = 8 * 1024;
/// How long one input may take. It takes microseconds; a busy machine takes a break now and then.
const SLOW: Duration = Duration::from_secs(5);
/// How much address space all inputs together may make the program claim: more than small buffers, and less than a
/// length field of four bytes that is believed.
const CLAIM_KIB: u64 = 512 * 1024;
/// What numbers are like where they go wrong.
const EDGES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xc0, 0xdd, 0xdf, 0xff];

/// A target's inputs.
#[derive(Debug)]
pub struct Fuzz {
    corpus: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
}

impl Fuzz {
    /// The files of a folder: small ones, each an input that is read well or was read badly once.
    ///
    /// # Panics
    ///
    /// When the folder cannot be read or has no file.
    #[must_use]
    pub fn corpus(folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        let files =
            fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{} is empty", folder.display());
        let corpus = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        Self { corpus, words: Vec::new() }
    }

    /// One more input to begin with.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.corpus.push(input.into());
        self
    }

    /// What is put into inputs here and there.
    #[must_use]
    pub fn words<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// Gives inputs to `check`, which panics at what must not be: the corpus first.
    ///
    /// # Panics
    ///
    /// As `check` does, having told the input; and when an input takes seconds or claims memory without bound.
    pub fn run(&self, mut check: impl FnMut(&[u8])) {
        let seed = from_env("JOBQ_FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..) >> 32);
        let time = from_env("JOBQ_FUZZ_SECONDS").map_or(SHORT, Duration::from_secs);
        let (started, claimed) = (Instant::now(), claimed_kib());
        for input in &self.corpus {
            examine(input, seed, &mut check);
        }
        let mut chance = fastrand::Rng::with_seed(seed);
        while started.elapsed() < time {
            examine(&self.mutant(&mut chance), seed, &mut check);
        }
        let grown = claimed_kib().saturating_sub(claimed);
        assert!(grown < CLAIM_KIB, "{grown} KiB were claimed with JOBQ_FUZZ_SEED={seed}");
    }

    /// As [`run`](Self::run), for what reads text: bytes that are none are replaced.
    pub fn run_text(&self, mut check: impl FnMut(&str)) {
        self.run(|input| check(&String::from_utf8_lossy(input)));
    }

    /// An input of the corpus, changed in some places.
    fn mutant(&self, chance: &mut fastrand::Rng) -> Vec<u8> {
        let mut input = chance.choice(&self.corpus).cloned().unwrap_or_default();
        for _ in 0..chance.u32(1..6) {
            let at = chance.usize(..=input.len());
            let end = (at + chance.usize(..16)).min(input.len());
            match chance.u32(..9) {
                0 => input.truncate(at),
                1 => drop(input.drain(at..end)),
                2 => drop(input.splice(at..end, self.word(chance))),
                3 => drop(input.splice(at..at, self.word(chance))),
                4 => {
                    let other = chance.choice(&self.corpus).cloned().unwrap_or_default();
                    input.truncate(at);
                    input.extend(&other[chance.usize(..=other.len())..]);
                }
                5 => {
                    let again = input[at..end].repeat(chance.usize(1..40));
                    input.splice(at..at, again);
                }
                6 if at < input.len() => input[at] ^= 1 << chance.u32(..8),
                7 if at < input.len() => input[at] = chance.u8(..),
                _ if at < input.len() => input[at] = *chance.choice(&EDGES).unwrap(),
                _ => input.push(chance.u8(..)),
            }
        }
        input.truncate(LONGEST);
        input
    }

    fn word(&self, chance: &mut fastrand::Rng) -> Vec<u8> {
        match chance.choice(&self.words) {
            Some(word) if chance.bool() => word.clone(),
            _ if chance.bool() => chance.u64(..).to_string().into_bytes(),
            _ => (0..chance.usize(1..8)).map(|_| *chance.choice(&EDGES).unwrap()).collect(),
        }
    }
}

fn examine(input: &[u8], seed: u64, check: &mut impl FnMut(&[u8])) {
    let started = Instant::now();
    let answer = catch_unwind(AssertUnwindSafe(|| check(input)));
    let is_slow = started.elapsed() > SLOW;
    if answer.is_err() || is_slow {
        let text = String::from_utf8_lossy(input);
        eprintln!(
            "JOBQ_FUZZ_SEED={seed}; the input, as text and as bytes:\n{text:?}\n{input:02x?}"
        );
    }
    assert!(!is_slow, "this input took {:?}", started.elapsed());
    if let Err(panic) = answer {
        resume_unwind(panic);
    }
}

fn from_env(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {value:?}")))
}

/// The most address space that this process has claimed so far. 0 where nobody tells.
fn claimed_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fuzz() -> Fuzz {
        Fuzz { corpus: vec![b"a length: 10".to_vec()], words: Vec::new() }
    }

    #[test]
    fn the_corpus_comes_first_and_then_what_chance_makes_of_it() {
        let mut inputs = Vec::new();
        fuzz().run(|input| {
            if inputs.len() < 100 {
                inputs.push(input.to_vec());
            }
        });

        assert_eq!(inputs[0], b"a length: 10");
        assert!(inputs[1..].iter().any(|input| input != &inputs[0]), "nothing is changed");
    }

    #[test]
    #[should_panic(expected = "found it")]
    fn a_mistake_in_what_reads_the_input_is_found() {
        fuzz().run(|input| assert!(!input.contains(&0xff), "found it"));
    }

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        let inputs = |seed| {
            let mut chance = fastrand::Rng::with_seed(seed);
            (0..50).map(|_| fuzz().mutant(&mut chance)).collect::<Vec<_>>()
        };

        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(8));
    }
}
