//! Limits: as they are stored, set and read.

use std::time::Duration;

use jobq_core::inspect::LaneView;
use jobq_core::{
    Breaker, Counting, Error, ErrorKind, LaneKey, LimitName, LimitScope, LimitSetting, LimitSource,
    Limits, QueueName, Rate, Result,
};
use redis::Value;

use crate::backend::Store;
use crate::error::{malformed, newer};
use crate::reply;
use crate::scripts::{COME_BACK, LANES, LIMIT, SHARE};

const HAS_CONCURRENCY: u8 = 1;
const HAS_RATE: u8 = 2;
const HAS_SIZE: u8 = 4;
const HAS_WEIGHT: u8 = 8;
const HAS_BREAKER: u8 = 16;
const HAS_SHARED: u8 = 32;

const FIXED: u8 = 1;
const SLIDING: u8 = 2;
const BUCKET: u8 = 3;

/// The most lanes that one script shows or lets come back.
const STEP: usize = 500;

/// Limits as `lua/lib/flow/limits.lua` reads them; empty if there are none.
pub(crate) fn encode(limits: &Limits) -> Vec<u8> {
    if limits.is_empty() {
        return Vec::new();
    }
    let given = [
        (limits.concurrency.is_some(), HAS_CONCURRENCY),
        (limits.rate.is_some(), HAS_RATE),
        (limits.max_size.is_some(), HAS_SIZE),
        (limits.weight.is_some(), HAS_WEIGHT),
        (limits.breaker.is_some(), HAS_BREAKER),
        (limits.shared.is_some(), HAS_SHARED),
    ];
    let given = given.iter().filter(|(set, _)| *set).fold(0, |given, (_, bit)| given | bit);
    let (counting, count, per, burst) = limits.rate.map_or((0, 0, 0, 0), |rate| {
        let (counting, burst) = match rate.counting {
            Counting::Sliding => (SLIDING, 0),
            Counting::Bucket { burst } => (BUCKET, burst),
            // A test goes over `Counting::EVERY`: this is none but `Fixed`.
            _ => (FIXED, 0),
        };
        (counting, rate.count, ms(rate.per), burst)
    });
    let breaker = limits.breaker.unwrap_or(Breaker::new(0, Duration::ZERO));
    let mut bytes = vec![given];
    bytes.extend(limits.concurrency.unwrap_or(0).to_be_bytes());
    bytes.push(counting);
    bytes.extend(count.to_be_bytes());
    bytes.extend(per.to_be_bytes());
    bytes.extend(burst.to_be_bytes());
    bytes.extend(limits.max_size.unwrap_or(0).to_be_bytes());
    bytes.extend(limits.weight.unwrap_or(0).to_be_bytes());
    bytes.extend(u16::try_from(breaker.failures).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(ms(breaker.rest).to_be_bytes());
    if let Some(name) = &limits.shared {
        bytes.extend(name.as_str().as_bytes());
    }
    bytes
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Stored limits.
pub(crate) fn decode(bytes: &[u8]) -> Result<Limits> {
    const LENGTH: usize = 1 + 4 + 1 + 4 + 8 + 4 + 8 + 2 + 2 + 8;
    let mut limits = Limits::new();
    if bytes.is_empty() {
        return Ok(limits);
    }
    let (fixed, name) =
        bytes.split_at_checked(LENGTH).ok_or_else(|| malformed("limits end too early"))?;
    let number = |at: usize, length: usize| {
        fixed[at..at + length].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let small = |at, length| u32::try_from(number(at, length)).unwrap_or(u32::MAX);
    let has = |bit| fixed[0] & bit != 0;
    limits.concurrency = has(HAS_CONCURRENCY).then(|| small(1, 4));
    if has(HAS_RATE) {
        let per = Duration::from_millis(number(10, 8));
        limits.rate = Some(rate(u64::from(fixed[5]), small(6, 4), per, small(18, 4))?);
    }
    limits.max_size = has(HAS_SIZE).then(|| number(22, 8));
    limits.weight = has(HAS_WEIGHT).then(|| u16::try_from(number(30, 2)).unwrap_or(u16::MAX));
    limits.breaker =
        has(HAS_BREAKER).then(|| Breaker::new(small(32, 2), Duration::from_millis(number(34, 8))));
    if has(HAS_SHARED) {
        let name = String::from_utf8_lossy(name);
        limits.shared = Some(LimitName::new(&*name)?);
    }
    Ok(limits)
}

/// The rate that counts as this number says.
pub(crate) fn rate(counting: u64, count: u32, per: Duration, burst: u32) -> Result<Rate> {
    match u8::try_from(counting) {
        Ok(FIXED) => Ok(Rate::fixed(count, per)),
        Ok(SLIDING) => Ok(Rate::sliding(count, per)),
        Ok(BUCKET) => Ok(Rate::bucket(count, per, burst)),
        _ => Err(newer(&format!("a rate counts as {counting}"))),
    }
}

const fn source_code(source: LimitSource) -> char {
    match source {
        LimitSource::Operator => 'o',
        _ => 'c',
    }
}

const fn source_of_code(code: u8) -> LimitSource {
    match code {
        b'o' => LimitSource::Operator,
        _ => LimitSource::Code,
    }
}

impl Store {
    pub(crate) async fn set_limits(
        &self,
        scope: &LimitScope,
        source: LimitSource,
        limits: &Limits,
    ) -> Result<()> {
        limits.check(scope)?;
        let is_shared = matches!(scope, LimitScope::Shared(_)) || limits.shared.is_some();
        if is_shared && self.link.is_cluster() {
            return Err(self.refuse_span("a limit that queues share"));
        }
        let (packed, source) = (encode(limits), source_code(source));
        match scope {
            LimitScope::Queue(queue) => self.limit_queue(queue, source, limits, &packed).await,
            LimitScope::Lanes(queue) => {
                self.limit(queue, "set", "", &format!("{source}e"), &packed).await?;
                self.all_come_back(queue).await
            }
            LimitScope::Lane(queue, lane) => {
                let field = format!("{source}n{lane}");
                self.limit(queue, "set", lane.as_str(), &field, &packed).await.map(drop)
            }
            LimitScope::Shared(name) => {
                let source = source.to_string();
                for queue in self.share("set", name.as_str(), &source, &packed).await? {
                    self.all_come_back(&queue).await?;
                }
                Ok(())
            }
            _ => Err(Error::new(ErrorKind::Refused, format!("{scope} has no limits on Redis"))),
        }
    }

    async fn limit_queue(
        &self,
        queue: &QueueName,
        source: char,
        limits: &Limits,
        packed: &[u8],
    ) -> Result<()> {
        let before = self.shared_by(queue).await?;
        if let Some(name) = &limits.shared {
            // Joined first: a queue that takes part must be counted.
            self.share("join", name.as_str(), queue.as_str(), b"").await?;
        }
        let after = self.limit(queue, "set", "", &format!("{source}q"), packed).await?;
        for name in [before, limits.shared.as_ref().map(ToString::to_string)].into_iter().flatten()
        {
            if name != after {
                self.share("leave", &name, queue.as_str(), b"").await?;
            }
        }
        Ok(())
    }

    /// The shared limit that a queue takes part in.
    async fn shared_by(&self, queue: &QueueName) -> Result<Option<String>> {
        let settings = self.limits(queue, 0).await?;
        let of_queue = |source| {
            settings
                .iter()
                .find(|setting| {
                    setting.source == source && matches!(setting.scope, LimitScope::Queue(_))
                })
                .and_then(|setting| setting.limits.shared.as_ref())
                .map(ToString::to_string)
        };
        Ok(of_queue(LimitSource::Operator).or_else(|| of_queue(LimitSource::Code)))
    }

    /// Changes what limits a queue or lane; says in which shared limit the queue takes part then.
    pub(crate) async fn limit(
        &self,
        queue: &QueueName,
        what: &str,
        lane: &str,
        value: &str,
        packed: &[u8],
    ) -> Result<String> {
        self.keys.of(queue).note_flow();
        let mut call = self.call(&LIMIT, queue);
        call.arg(self.now()).arg(what).arg(lane).arg(value).arg(packed);
        reply::text(self.link.run(&LIMIT, &call).await?)
    }

    /// Lets all lanes that are held up show whether they still are. As many as there are now: others
    /// are held up by the new limits.
    async fn all_come_back(&self, queue: &QueueName) -> Result<()> {
        let count = redis::cmd("ZCARD").arg(self.keys.of(queue).held_up()).take();
        let mut left = reply::count(self.link.send(&count).await?)?;
        loop {
            let mut call = self.call(&COME_BACK, queue);
            call.arg(STEP);
            let moved = reply::count(self.link.run(&COME_BACK, &call).await?)?;
            left = left.saturating_sub(moved);
            if moved == 0 || left == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Changes a shared limit; says who takes part.
    async fn share(
        &self,
        what: &str,
        name: &str,
        who: &str,
        packed: &[u8],
    ) -> Result<Vec<QueueName>> {
        let mut call = SHARE.call(&[self.keys.shared()]);
        call.arg(what).arg(name).arg(who).arg(packed);
        let members = reply::text(self.link.run(&SHARE, &call).await?)?;
        members.split_terminator(',').map(QueueName::new).collect()
    }

    pub(crate) async fn limits(&self, queue: &QueueName, most: usize) -> Result<Vec<LimitSetting>> {
        let read = redis::cmd("HGETALL").arg(self.keys.of(queue).limits()).take();
        let mut settings = Vec::new();
        let (mut of_lanes, mut fields) = (0, reply::pairs(self.link.send(&read).await?)?);
        fields.sort();
        for (field, packed) in fields {
            let field = String::from_utf8_lossy(&field).into_owned();
            let &[source, what, ..] = field.as_bytes() else {
                continue;
            };
            let scope = match (source, what) {
                (b'o' | b'c', b'q') => LimitScope::Queue(queue.clone()),
                (b'o' | b'c', b'e') => LimitScope::Lanes(queue.clone()),
                (b'o' | b'c', b'n') if of_lanes < most => {
                    of_lanes += 1;
                    LimitScope::Lane(queue.clone(), LaneKey::new(&field[2..])?)
                }
                _ => continue,
            };
            settings.push(LimitSetting::new(scope, source_of_code(source), decode(&packed)?));
        }
        settings.sort_by(|a, b| (&a.scope, a.source).cmp(&(&b.scope, b.source)));
        Ok(settings)
    }

    pub(crate) async fn shared_limits(&self) -> Result<Vec<LimitSetting>> {
        let read = redis::cmd("HGETALL").arg(self.keys.shared()).take();
        let mut settings = Vec::new();
        for (field, packed) in reply::pairs(self.link.send(&read).await?)? {
            let field = String::from_utf8_lossy(&field).into_owned();
            if let Some(source @ (b'o' | b'c')) = field.bytes().next() {
                let scope = LimitScope::Shared(LimitName::new(&field[1..])?);
                settings.push(LimitSetting::new(scope, source_of_code(source), decode(&packed)?));
            }
        }
        settings.sort_by(|a, b| (&a.scope, a.source).cmp(&(&b.scope, b.source)));
        Ok(settings)
    }

    /// What is known of one lane.
    pub(crate) async fn lane(&self, queue: &QueueName, lane: &LaneKey) -> Result<LaneView> {
        let mut call = self.call(&LANES, queue);
        call.arg(self.now()).arg("").arg(1).arg(lane.as_str());
        let found = reply::list(self.link.run(&LANES, &call).await?)?.pop();
        lane_view(found.ok_or_else(|| malformed("a lane that was asked for has no view"))?)
    }

    /// What is known of the lanes in use that come after this one.
    pub(crate) async fn lanes(
        &self,
        queue: &QueueName,
        after: Option<&LaneKey>,
        limit: usize,
    ) -> Result<Vec<LaneView>> {
        let mut views: Vec<LaneView> = Vec::new();
        while views.len() < limit {
            let step = STEP.min(limit - views.len());
            let last = views.last().map(|view| &view.lane).or(after);
            let mut call = self.call(&LANES, queue);
            call.arg(self.now()).arg(format!(">{}", last.map_or("", LaneKey::as_str))).arg(step);
            let found = reply::list(self.link.run(&LANES, &call).await?)?;
            let is_last = found.len() < step;
            for view in found {
                views.push(lane_view(view)?);
            }
            if is_last {
                break;
            }
        }
        Ok(views)
    }
}

pub(crate) fn lane_view(value: Value) -> Result<LaneView> {
    let mut parts = reply::list(value)?.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    let lane = LaneKey::new(reply::text(next())?)?;
    let paused = !reply::bytes(next())?.is_empty();
    let (ready, leased) = (reply::count(next())?, reply::count(next())?);
    let until = reply::optional_count(next())?;
    let failures = reply::count(next())?;
    let mut limits = Limits::new();
    for _ in 0..4 {
        limits = limits.or(&decode(&reply::bytes(next())?)?);
    }
    let mut view = LaneView::new(lane, limits);
    view.paused = paused;
    view.ready = ready;
    view.leased = leased;
    view.until = until.map(jobq_core::Timestamp::from_millis);
    view.failures = u32::try_from(failures).unwrap_or(u32::MAX);
    Ok(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_back() {
        let full = Limits::new()
            .concurrency(5)
            .max_size(1 << 33)
            .weight(7)
            .breaker(Breaker::new(3, Duration::from_secs(30)))
            .shared(LimitName::new("api").unwrap());
        for counting in Counting::EVERY {
            let mut rate = Rate::fixed(100, Duration::from_secs(60));
            rate.counting = *counting;
            let limits = full.clone().rate(rate);
            assert_eq!(decode(&encode(&limits)).unwrap(), limits);
        }
        assert_eq!(decode(&encode(&Limits::new())).unwrap(), Limits::new());
        assert!(decode(&[1, 2]).is_err());
    }

    #[test]
    fn a_counting_of_a_newer_version_says_so() {
        let mut bytes = encode(&Limits::new().rate(Rate::fixed(1, Duration::from_secs(1))));
        bytes[5] = 4;

        let error = decode(&bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("counts as 4, which a newer jobq wrote"), "{error}");
    }
}
