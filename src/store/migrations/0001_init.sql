-- The first schema. Times are timestamptz (UTC); dates are days in China Standard Time. Migrations only add.

-- The district -----------------------------------------------------------------------------------------------------------

CREATE TABLE organisations (
    id        bigint PRIMARY KEY,
    parent_id bigint REFERENCES organisations,
    level     text NOT NULL CHECK (level IN ('district', 'township', 'village', 'point')),
    name      text NOT NULL,
    kind      text NOT NULL,          -- centre, party_centre, station, party_station, health_station, point ...
    address   text,
    phone     text,                   -- published number
    CHECK ((level = 'district') = (parent_id IS NULL))
);
CREATE TABLE windows (
    code     smallint PRIMARY KEY CHECK (code BETWEEN 1 AND 9),
    name     text NOT NULL,
    name_en  text NOT NULL,
    keywords text[] NOT NULL
);
CREATE TABLE service_items (
    id               bigint PRIMARY KEY,
    window_code      smallint NOT NULL REFERENCES windows,
    name             text NOT NULL,
    promise          text NOT NULL,
    promise_workdays smallint NOT NULL CHECK (promise_workdays BETWEEN 0 AND 250),
    procedure        text NOT NULL,
    keywords         text[] NOT NULL
);
CREATE TABLE station_items (
    org_id  bigint REFERENCES organisations,
    item_id bigint REFERENCES service_items,
    PRIMARY KEY (org_id, item_id)
);
CREATE TABLE persons (
    id     bigint PRIMARY KEY,
    org_id bigint NOT NULL REFERENCES organisations,
    name   text NOT NULL,
    phone  text,
    member boolean NOT NULL,          -- Party member
    agent  boolean NOT NULL           -- designated agent (代办员)
);
CREATE TABLE posts (
    id          bigint PRIMARY KEY,
    org_id      bigint NOT NULL REFERENCES organisations,
    window_code smallint REFERENCES windows,   -- null: duty post
    title       text NOT NULL,
    a_person_id bigint NOT NULL REFERENCES persons,
    b_person_id bigint NOT NULL REFERENCES persons,
    CHECK (a_person_id <> b_person_id)
);
CREATE TABLE households (
    id        bigint PRIMARY KEY,
    org_id    bigint NOT NULL REFERENCES organisations,
    head      text NOT NULL,
    phone     text,
    member_id bigint NOT NULL REFERENCES persons   -- contact member
);
CREATE TABLE teams (
    id     bigint PRIMARY KEY,
    org_id bigint NOT NULL REFERENCES organisations,
    name   text NOT NULL,
    kind   text NOT NULL              -- one of the nine kinds
);
CREATE TABLE calendar_days (
    day    date PRIMARY KEY,
    worked boolean NOT NULL,
    name   text NOT NULL              -- 国庆节, 国庆节调休
);
CREATE TABLE office_hours (
    opens  time PRIMARY KEY,
    closes time NOT NULL CHECK (closes > opens)
);

-- Calls ------------------------------------------------------------------------------------------------------------------

CREATE TABLE calls (
    id               uuid PRIMARY KEY,
    line             text NOT NULL,
    caller           text,            -- signalled number, whole; null: withheld. Shown masked.
    called           text NOT NULL,
    sip_call_id      text NOT NULL,
    flow             text NOT NULL,   -- name@version of the flow that spoke
    started_at       timestamptz NOT NULL,
    answered_at      timestamptz,
    ended_at         timestamptz,     -- null: in progress, or its end not yet known
    end_reason       text,            -- caller, flow, cancelled, no_rtp, max_duration, drain, error, crash
    codec            text,
    quality          jsonb,           -- figures of the engine at the end: packets, lost, late, concealed_ms, jitter_ms, mos ...
    recording_path   text,            -- below data_dir; null: nothing recorded
    recording_sha256 text,
    recording_ms     bigint,
    transcript_state text NOT NULL DEFAULT 'none' CHECK (transcript_state IN ('none', 'queued', 'running', 'done', 'failed'))
);
CREATE INDEX calls_started ON calls (started_at DESC, id DESC);
CREATE TABLE call_events (
    call_id uuid REFERENCES calls,
    seq     integer,
    at_ms   bigint NOT NULL,          -- since answer
    kind    text NOT NULL,            -- state, prompt, key, heard, asked, case, hold, note ...
    detail  jsonb NOT NULL,
    PRIMARY KEY (call_id, seq)
);
CREATE TABLE transcript_segments (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    call_id    uuid NOT NULL REFERENCES calls,
    channel    smallint NOT NULL,     -- 0 caller, 1 gateway
    start_ms   bigint NOT NULL,
    end_ms     bigint NOT NULL CHECK (end_ms >= start_ms),
    text       text NOT NULL,         -- as recognised; never changed
    confidence real,                  -- 0..1; null: our own prompt, known text
    UNIQUE (call_id, channel, start_ms)
);
CREATE TABLE segment_corrections (
    segment_id bigint REFERENCES transcript_segments,
    version    integer,
    text       text NOT NULL,
    author_id  bigint NOT NULL,       -- users
    at         timestamptz NOT NULL,
    PRIMARY KEY (segment_id, version)
);
CREATE TABLE transcription_jobs (
    call_id      uuid PRIMARY KEY REFERENCES calls,
    attempts     smallint NOT NULL DEFAULT 0,
    leased_until timestamptz,
    last_error   text
);

-- Cases ------------------------------------------------------------------------------------------------------------------

CREATE TABLE number_blocks (
    first     bigint PRIMARY KEY,     -- serials first..last were leased, for ever
    last      bigint NOT NULL,
    holder    text NOT NULL,
    leased_at timestamptz NOT NULL
);
CREATE TABLE case_moves (
    from_state text,
    to_state   text,
    PRIMARY KEY (from_state, to_state)
);
CREATE TABLE cases (
    number      bigint PRIMARY KEY,   -- with its check digit
    call_id     uuid NOT NULL REFERENCES calls,
    line        text NOT NULL,
    origin      text NOT NULL,
    kind        text NOT NULL,
    state       text NOT NULL,
    window_code smallint REFERENCES windows,
    item_id     bigint REFERENCES service_items,
    village_id  bigint REFERENCES organisations,
    place       text NOT NULL,
    words       text NOT NULL,        -- as recognised; never changed
    summary     text NOT NULL,        -- what operators corrected it to; equal to words at first
    callback    text,                 -- number to ring back, whole. Shown masked.
    owner_post_id bigint NOT NULL REFERENCES posts,
    promise     text NOT NULL,
    due_on      date NOT NULL,
    received_at timestamptz NOT NULL,
    opened_at   timestamptz NOT NULL,
    closed_at   timestamptz,
    version     integer NOT NULL DEFAULT 1
);
CREATE INDEX cases_opened ON cases (opened_at DESC, number DESC);
CREATE INDEX cases_call ON cases (call_id);
CREATE TABLE case_events (
    case_number bigint REFERENCES cases,
    seq         integer,
    at          timestamptz NOT NULL,
    actor       text NOT NULL,        -- user name, or 'gateway'
    kind        text NOT NULL,        -- opened, moved, assigned, corrected, noted
    from_state  text,
    to_state    text,
    reason      text NOT NULL,
    detail      jsonb NOT NULL,       -- corrected: field, before, after; assigned: from_post, to_post
    PRIMARY KEY (case_number, seq),
    FOREIGN KEY (from_state, to_state) REFERENCES case_moves
);

-- People who log in, and what they did -----------------------------------------------------------------------------------

CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL UNIQUE,
    role          text NOT NULL CHECK (role IN ('operator', 'evaluator', 'admin', 'auditor')),
    password_hash text,               -- argon2id, PHC string; null: may log in by one-time link only
    disabled      boolean NOT NULL DEFAULT false,
    failed_logins smallint NOT NULL DEFAULT 0,
    locked_until  timestamptz,
    created_at    timestamptz NOT NULL
);
CREATE TABLE login_sessions (
    token_sha256 text PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users,
    csrf         text NOT NULL,
    created_at   timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL
);
CREATE TABLE login_links (
    token_sha256 text PRIMARY KEY,    -- one-time login; deleted when used
    user_id      bigint NOT NULL REFERENCES users,
    expires_at   timestamptz NOT NULL
);
CREATE TABLE api_tokens (
    token_sha256 text PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users,
    created_at   timestamptz NOT NULL,
    revoked_at   timestamptz
);
CREATE TABLE audit (
    seq    bigint PRIMARY KEY,        -- gapless
    at     timestamptz NOT NULL,
    actor  text NOT NULL,
    action text NOT NULL,             -- login, listen, download, reveal, correct, move, assign, user_add, token ...
    object text NOT NULL,             -- call/<id>, case/<number>, user/<name>
    reason text NOT NULL,
    prev   text NOT NULL,             -- hash of the row before
    hash   text NOT NULL              -- SHA-256 over prev and the row
);
