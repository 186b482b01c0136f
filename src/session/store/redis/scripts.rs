//! What is done at the server in one step. All keys of a script have the same hash tag.

use super::keys::SessionPlace;
use super::link::RedisLink;
use redis::{RedisResult, Script};

/// Saves a session unless it has ended. ARGV: record, refresh token or "", last use, lifetime of the
/// keys in milliseconds. Returns 1, or 0 if it has ended.
const SAVE: &str = r"
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local used = tonumber(redis.call('HGET', KEYS[1], 'u') or '0')
if tonumber(ARGV[3]) > used then used = tonumber(ARGV[3]) end
redis.call('HSET', KEYS[1], 'r', ARGV[1], 'u', string.format('%d', used))
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 't', ARGV[2]) end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1";

/// Returns the record, the last use and whether there is a refresh token; only 0 if the session has
/// ended, and nothing if it is not there.
const LOAD: &str = r"
if redis.call('EXISTS', KEYS[2]) == 1 then return {0} end
local found = redis.call('HMGET', KEYS[1], 'r', 'u')
if not found[1] then return {} end
return {found[1], found[2] or '0', redis.call('HEXISTS', KEYS[1], 't')}";

/// Records a use. ARGV: last use, lifetime of the key in milliseconds. Returns the latest use, -1 if
/// the session has ended, or -2 if it is not there.
const TOUCH: &str = r"
if redis.call('EXISTS', KEYS[2]) == 1 then return -1 end
if redis.call('EXISTS', KEYS[1]) == 0 then return -2 end
local used = tonumber(redis.call('HGET', KEYS[1], 'u') or '0')
if tonumber(ARGV[1]) > used then
  used = tonumber(ARGV[1])
  redis.call('HSET', KEYS[1], 'u', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return used";

/// Ends a session. ARGV: milliseconds until it would have ended. Returns 1 if it was there.
const END: &str = r"
local was = redis.call('EXISTS', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
redis.call('DEL', KEYS[1], KEYS[3])
return was";

/// Takes the lease. ARGV: owner, milliseconds. Returns its state, and the record and the refresh
/// token if it is taken.
const LEASE: &str = r"
if redis.call('EXISTS', KEYS[2]) == 1 then return {'ended'} end
if not redis.call('SET', KEYS[3], ARGV[1], 'NX', 'PX', ARGV[2]) then
  if redis.call('GET', KEYS[3]) ~= ARGV[1] then return {'elsewhere'} end
  redis.call('PEXPIRE', KEYS[3], ARGV[2])
end
local found = redis.call('HMGET', KEYS[1], 'r', 't')
return {'held', found[1] or '', found[2] or ''}";

/// Extends the lease if it is still ours. ARGV: owner, milliseconds.
const EXTEND: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

/// Stores a refresh token while the lease is ours, or nobody's. ARGV: owner, token. Returns 1; 0 if
/// the session has ended, -1 if another process has the lease, -2 if the session is not there.
const KEEP: &str = r"
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local owner = redis.call('GET', KEYS[3])
if owner and owner ~= ARGV[1] then return -1 end
if redis.call('EXISTS', KEYS[1]) == 0 then return -2 end
redis.call('HSET', KEYS[1], 't', ARGV[2])
return 1";

/// Gives the lease back if it is ours. ARGV: owner.
const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0";

/// Adds a session to an index, and forgets those that began too long ago. ARGV: start, name,
/// earliest start, lifetime in milliseconds, maximum number. Returns the names beyond the maximum,
/// the oldest first.
const INDEX: &str = r"
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local excess = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[5])
if excess <= 0 then return {} end
return redis.call('ZRANGE', KEYS[1], 0, excess - 1)";

/// Keeps the purpose of a sign-in, and forgets the oldest beyond the bounds. ARGV: key, purpose,
/// maximum number, maximum bytes, lifetime in milliseconds.
const KEEP_PURPOSE: &str = r"
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('RPUSH', KEYS[2], ARGV[1])
local bytes = redis.call('INCRBY', KEYS[3], #ARGV[1] + #ARGV[2])
while redis.call('LLEN', KEYS[2]) > tonumber(ARGV[3]) or bytes > tonumber(ARGV[4]) do
  local gone = redis.call('LPOP', KEYS[2])
  if not gone then break end
  local size = #gone + redis.call('HSTRLEN', KEYS[1], gone)
  redis.call('HDEL', KEYS[1], gone)
  bytes = redis.call('DECRBY', KEYS[3], size)
end
for at = 1, 3 do redis.call('PEXPIRE', KEYS[at], ARGV[5]) end
return 1";

/// The scripts, prepared once.
#[derive(Debug)]
pub(super) struct Scripts {
    save: Script,
    load: Script,
    touch: Script,
    end: Script,
    lease: Script,
    extend: Script,
    keep: Script,
    release: Script,
    index: Script,
    keep_purpose: Script,
}

/// What is saved of a session.
pub(super) struct SavedValues<'a> {
    pub(super) record: &'a [u8],
    pub(super) token: &'a [u8],
    pub(super) last_seen: u64,
    pub(super) lives_ms: u64,
}

/// What is found of a session.
pub(super) enum Found {
    Session(FoundValues),
    Ended,
    Missing,
}

/// The values of a session.
pub(super) struct FoundValues {
    pub(super) record: Vec<u8>,
    pub(super) last_seen: u64,
    pub(super) has_token: bool,
}

/// The state of a session after a use was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    /// The latest use by any process, in seconds since 1970.
    Used(u64),
    Ended,
    Missing,
}

/// Who has the lease of a session.
pub(super) enum LeaseState {
    Ended,
    Elsewhere,
    /// This process, with the record and the refresh token; they are empty if they are not there.
    Held(Vec<u8>, Vec<u8>),
}

/// What became of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeptToken {
    Stored,
    Ended,
    Elsewhere,
    Missing,
}

/// An entry of an index.
pub(super) struct IndexEntry<'a> {
    pub(super) index: &'a str,
    pub(super) name: &'a str,
    pub(super) started_at: u64,
    /// Sessions that began until then are over.
    pub(super) over_before: u64,
    pub(super) lives_ms: u64,
    pub(super) max: usize,
}

/// The bounds of the purposes that are kept.
pub(super) struct PurposeBounds {
    pub(super) max: usize,
    pub(super) max_bytes: usize,
    pub(super) lives_ms: u64,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            save: Script::new(SAVE),
            load: Script::new(LOAD),
            touch: Script::new(TOUCH),
            end: Script::new(END),
            lease: Script::new(LEASE),
            extend: Script::new(EXTEND),
            keep: Script::new(KEEP),
            release: Script::new(RELEASE),
            index: Script::new(INDEX),
            keep_purpose: Script::new(KEEP_PURPOSE),
        }
    }

    /// Returns false if the session has ended.
    pub(super) async fn save(
        &self,
        link: &mut RedisLink,
        place: &SessionPlace,
        values: SavedValues<'_>,
    ) -> RedisResult<bool> {
        self.save
            .key(place.session())
            .key(place.tombstone())
            .arg(values.record)
            .arg(values.token)
            .arg(values.last_seen)
            .arg(values.lives_ms.max(1))
            .invoke_async(link)
            .await
    }

    pub(super) async fn load(
        &self,
        link: &mut RedisLink,
        place: &SessionPlace,
    ) -> RedisResult<Found> {
        let mut call = self.load.key(place.session());
        let found: Vec<redis::Value> = call.key(place.tombstone()).invoke_async(link).await?;
        let is_ended = found.len() == 1;
        let Ok([record, last_seen, has_token]) = <[_; 3]>::try_from(found) else {
            return Ok(if is_ended { Found::Ended } else { Found::Missing });
        };
        Ok(Found::Session(FoundValues {
            record: redis::from_redis_value(record)?,
            last_seen: redis::from_redis_value(last_seen)?,
            has_token: redis::from_redis_value(has_token)?,
        }))
    }

    pub(super) async fn touch(
        &self,
        link: &mut RedisLink,
        place: &SessionPlace,
        last_seen: u64,
        lives_ms: u64,
    ) -> RedisResult<Touched> {
        let mut call = self.touch.key(place.session());
        let call = call.key(place.tombstone()).arg(last_seen).arg(lives_ms.max(1));
        let used: i64 = call.invoke_async(link).await?;
        Ok(match used {
            -1 => Touched::Ended,
            used => u64::try_from(used).map_or(Touched::Missing, Touched::Used),
        })
    }

    /// Returns whether the session was there.
    pub(super) async fn end(
        &self,
        link: &mut RedisLink,
        place: &SessionPlace,
        lives_ms: u64,
    ) -> RedisResult<bool> {
        let mut call = self.end.key(place.session());
        let call = call.key(place.tombstone()).key(place.lease()).arg(lives_ms.max(1));
        call.invoke_async(link).await
    }

    pub(super) async fn lease(
        &self,
        link: &mut RedisLink,
        place: &SessionPlace,
        owner: &str,
        lease_ms: u64,
    ) -> RedisResult<LeaseState> {
        let mut call = self.lease.key(place.session());
        let call = call.key(place.tombstone()).key(place.lease()).arg(owner).arg(lease_ms);
        let found: Vec<Vec<u8>> = call.invoke_async(link).await?;
        let mut found = found.into_iter();
        Ok(match (found.next().as_deref(), found.next(), found.next()) {
            (Some(b"held"), Some(record), Some(token)) => LeaseState::Held(record, token),
            (Some(b"elsewhere"), ..) => LeaseState::Elsewhere,
            _ => LeaseState::Ended,
        })
    }

    /// Returns whether the lease is still ours.
    pub(super) async fn extend(
        &self,
        link: &mut RedisLink,
        place: &SessionPlace,
        owner: &str,
        lease_ms: u64,
    ) -> RedisResult<bool> {
        self.extend.key(place.lease()).arg(owner).arg(lease_ms).invoke_async(link).await
    }

    pub(super) async fn keep(
        &self,
        link: &mut RedisLink,
        place: &SessionPlace,
        owner: &str,
        token: &[u8],
    ) -> RedisResult<KeptToken> {
        let mut call = self.keep.key(place.session());
        let call = call.key(place.tombstone()).key(place.lease()).arg(owner).arg(token);
        let kept: i64 = call.invoke_async(link).await?;
        Ok(match kept {
            1 => KeptToken::Stored,
            0 => KeptToken::Ended,
            -1 => KeptToken::Elsewhere,
            _ => KeptToken::Missing,
        })
    }

    pub(super) async fn release(
        &self,
        link: &mut RedisLink,
        place: &SessionPlace,
        owner: &str,
    ) -> RedisResult<()> {
        self.release.key(place.lease()).arg(owner).invoke_async(link).await
    }

    /// Returns the names of the sessions beyond the maximum.
    pub(super) async fn index(
        &self,
        link: &mut RedisLink,
        entry: IndexEntry<'_>,
    ) -> RedisResult<Vec<String>> {
        self.index
            .key(entry.index)
            .arg(entry.started_at)
            .arg(entry.name)
            .arg(entry.over_before)
            .arg(entry.lives_ms.max(1))
            .arg(entry.max)
            .invoke_async(link)
            .await
    }

    pub(super) async fn keep_purpose(
        &self,
        link: &mut RedisLink,
        keys: &[String; 3],
        (key, purpose): (&str, &str),
        bounds: PurposeBounds,
    ) -> RedisResult<()> {
        let mut call = self.keep_purpose.prepare_invoke();
        for key in keys {
            call.key(key);
        }
        call.arg(key).arg(purpose).arg(bounds.max).arg(bounds.max_bytes).arg(bounds.lives_ms);
        call.invoke_async(link).await
    }
}
