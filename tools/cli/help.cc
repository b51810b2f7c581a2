#include "tools/cli/help.h"

#include <array>
#include <utility>

namespace rmq::cli {
namespace {

constexpr std::string_view kDump =
    R"(Usage: rmq-dump [VERB] STORE [flags]      prints what lies in a RocketMQ store; never writes into it

  log     records in commit log order (the default verb)      rmq-dump log --help
  cq      consume queue units                                  rmq-dump cq STORE -t TOPIC [-q N]
  index   index headers, entries, chains                       rmq-dump index STORE [--file F]
  key     messages by key, as the broker finds them            rmq-dump key STORE KEY [-t TOPIC]
  msg     one message, all that is known of it                 rmq-dump msg STORE ID|OFFSET
  trace   the life of a message, step by step                  rmq-dump trace STORE KEY|ID|OFFSET
  state   layout, sizes, lock, abort, checkpoint, queues       rmq-dump state STORE
  config  topics, groups, offsets with lag, delay progress     rmq-dump config STORE
  usage   bytes by file, day and topic; who still has to read  rmq-dump usage STORE
  snapshot  a copy without the messages' words, to share       rmq-dump snapshot STORE --out F

Flags of every verb:
  -o, --output text|json   --json         how to print; JSON is one object a line
  -j, --jobs N   --mem BYTES   --max-rate BYTES (a second)   --max-duration TIME (90, 2m, 1h)
  --utc                                   times in UTC instead of local time
  --progress auto|always|never            progress on stderr (kill -USR1 prints a line)
  --color auto|always|never               also NO_COLOR
  --broker-conf FILE   --commitlog DIR[,DIR]   --consumequeue DIR   --index DIR   --config DIR
  -h, --help   --version

Exit: 0 done, 4 gaps or not found, 8 could not read, 16 wrong use, 32 cancelled; added up.
STORE may be a single commit log, consume queue or index file. Manual: man rmq-dump.
)";

constexpr std::string_view kLog =
    R"(Usage: rmq-dump [log] STORE [flags]     records in commit log order, and the gaps between them

Which:  -t, --topic GLOB...   -T, --exclude-topic GLOB...   --no-system   --no-strict-names
        -q, --queue 0,3-5   --qfrom N   --qto N        queue offsets, --qto not included
        --since TIME   --until TIME                    ISO 8601, epoch ms, -2h; --until excluded
        --from OFFSET   --to OFFSET                    physical, decimal or 0x; --to excluded
        --key K   --msgid ID   --tag T   --prop K=V    each may be given several times
        --body-grep RE                                 searched in the plain body
        -n, --limit N   --tail N                       the first or last N records
        -f, --follow                                   go on while the log grows; ends with Ctrl-C
What:   --body none|text|hex|base64|file:DIR           default none
        --decompress                                   print plain bodies
        --props all|user|none                          default all in JSON, none in text
        --hash                                         SHA-256 of stored and plain body
        --join                                         in its queue? readable? tags code
        --stats[=topic|queue|hour|tag]                 count instead of listing
How:    -o FORM --json -j N --max-rate B --max-duration T --mem B --utc --progress W --color W
Where:  --broker-conf FILE  --commitlog DIR[,DIR]  --consumequeue DIR  --index DIR  --config DIR

Exit: 0 done, 4 gaps, or no such key or id, 8 could not read, 16 wrong use, 32 cancelled; added up.
)";

constexpr std::string_view kCq =
    R"(Usage: rmq-dump cq STORE [flags]        consume queue units by topic, queue and offset

Which:  -t, --topic GLOB...   -T, --exclude-topic GLOB...   --no-system   --no-strict-names
        -q, --queue 0,3-5   --qfrom N   --qto N        queue offsets, --qto not included
        --from OFFSET   --to OFFSET                    physical offsets the units lead to
        -n, --limit N   --tail N                       the first or last N units
        --all                                          also units that no consumer can ask for
What:   --join                                         the message each unit leads to, beside it
        --props all|user|none   --hash   --body FORM   --decompress      of that message
How:    -o FORM --json -j N --max-rate B --max-duration T --mem B --utc --progress W --color W
Where:  --broker-conf FILE  --commitlog DIR[,DIR]  --consumequeue DIR  --index DIR  --config DIR

Units are those a consumer can ask for: they lead into the log. --all adds, marked, the fillers of a
queue that starts above 0 (preBlank), expired units, those that lead past the log's end (dangling).

Exit: 0 done, 4 units are missing, 8 could not read, 16 wrong use, 32 cancelled; added up.
)";

constexpr std::string_view kIndex =
    R"(Usage: rmq-dump index STORE [flags]     index headers and entries, file by file

Which:  --file NAME                     only this index file
        --from OFFSET   --to OFFSET     entries that lead there
        -n, --limit N   --tail N        the first or last N entries
What:   --chains                        slot by slot: the chain's entries, where it breaks or loops
How:    -o FORM --json -j N --max-rate B --max-duration T --mem B --utc --progress W --color W
Where:  --broker-conf FILE  --commitlog DIR[,DIR]  --consumequeue DIR  --index DIR  --config DIR

No index file says how many slots it has: the count is inferred from the chains, or taken from
maxHashSlotNum in --broker-conf. Where the evidence is ambiguous, that is said.

Exit: 0 done, 8 could not read, 16 wrong use, 32 cancelled; added up.
)";

constexpr std::string_view kKey =
    R"(Usage: rmq-dump key STORE KEY [flags]   messages by key or UNIQ_KEY, as the broker finds them

Which:  -t, --topic TOPIC...            where to look; default: every topic that has a queue
        --since TIME   --until TIME     only index files and entries of that time
        -n, --limit N                   at most N messages
What:   --join   --props all|user|none   --hash   --body FORM   --decompress      as for log
How:    -o FORM --json -j N --max-rate B --max-duration T --mem B --utc --progress W --color W
Where:  --broker-conf FILE  --commitlog DIR[,DIR]  --consumequeue DIR  --index DIR  --config DIR

The newest index file comes first. What has the key's hash but not the key is shown as a collision;
what the index leads to but the log does not hold, as missing.

Exit: 0 found, 4 not found, 8 could not read, 16 wrong use, 32 cancelled; added up.
)";

constexpr std::string_view kMsg =
    R"(Usage: rmq-dump msg STORE ID|OFFSET [flags]      one message, all that is known of it

ID      an offset message id (32 or 56 hex digits), or a UNIQ_KEY: looked up in the index, then in
        the whole log
OFFSET  a physical offset, decimal or 0x and hex digits

What:   --body none|text|hex|base64|file:DIR   --decompress   --props all|user|none   --hash
        In text: every field with its place in the record, a hexdump, and what the queues say.
How:    -o FORM --json -j N --max-rate B --max-duration T --mem B --utc --progress W --color W
Where:  --broker-conf FILE  --commitlog DIR[,DIR]  --consumequeue DIR  --index DIR  --config DIR

Exit: 0 found, 4 not found, 8 could not read, 16 wrong use, 32 cancelled; added up.
)";

constexpr std::string_view kTrace =
    R"(Usage: rmq-dump trace STORE KEY|ID|OFFSET [flags]    the life of a message, step by step

KEY     a UNIQ_KEY, or one of a message's KEYS: every message that has it
ID      an offset message id (32 or 56 hex digits)      OFFSET  a physical offset of any copy of it

Which:  -t, --topic GLOB...   -T, --exclude-topic GLOB...   --no-system   --no-strict-names
                                        the topic that the message belongs to, wherever it waits
        --since TIME   --until TIME   --from OFFSET   --to OFFSET     only this part of the log
        -n, --limit N                   at most N messages (default 1000)
How:    -o text|json  --json  -j N  --max-rate B  --mem B  --utc  --progress WHEN --color WHEN
Where:  --broker-conf FILE  --commitlog DIR[,DIR]  --consumequeue DIR  --index DIR  --config DIR

The log is walked once: half message and what decided it, waits on delay levels and in the timer,
deliveries, retries, dead letters, pop check points and acknowledgements. Last: what it is now.

Exit: 0 found, 4 not found, or gaps, 8 could not read, 16 wrong use, 32 cancelled; added up.
)";

constexpr std::string_view kState =
    R"(Usage: rmq-dump state STORE [flags]     layout, sizes, lock holder, abort, checkpoint, every queue

How:    -o FORM --json -j N --max-rate B --max-duration T --mem B --utc --progress W --color W
Where:  --broker-conf FILE  --commitlog DIR[,DIR]  --consumequeue DIR  --index DIR  --config DIR

No lock is taken: who holds it is only asked.

Exit: 0 done, 8 could not read, 16 wrong use, 32 cancelled; added up.
)";

constexpr std::string_view kUsage =
    R"(Usage: rmq-dump usage STORE [flags]     what fills the commit log, file by file

How:    -o FORM --json -j N --max-rate B --max-duration T --mem B --utc --progress W --color W
Where:  --broker-conf FILE  --commitlog DIR[,DIR]  --consumequeue DIR  --index DIR  --config DIR

For each file: messages and bytes by day and topic; which groups have still to read from it, and
how many messages; what is freed when it goes, queue and index files included. Last: each topic's
share. Groups are those that ever stored an offset; '(delay levels)' delivers delayed messages.

Exit: 0 done, 8 could not read, 16 wrong use, 32 cancelled; added up.
)";

constexpr std::string_view kSnapshot =
    R"(Usage: rmq-dump snapshot STORE --out FILE [flags]   a copy to hand on, without what messages say

--out FILE     a .tar.zst archive, which tar unpacks; must not be there yet

Bodies and the values of user properties become 'x', checksums are made again; what was wrong
stays wrong. Topics, groups, tags, keys, hosts, times and offsets stay: look before you share.
rmq-verify says of the copy what it says of the store. The broker must not run (64).

How:    -o text|json  --json  --max-rate B  --utc  --progress WHEN  --color WHEN
        -j N  --mem B  (no effect: one buffer of at most 64 MiB)
Where:  --broker-conf FILE  --commitlog DIR[,DIR]  --consumequeue DIR  --index DIR  --config DIR

Exit: 0 done, 8 could not read or write, 16 wrong use, 32 cancelled, 64 the store is live or locked.
)";

constexpr std::string_view kConfig =
    R"(Usage: rmq-dump config STORE [flags]    topics, groups, consumer offsets with lag, delay progress

How:    -o FORM --json -j N --max-rate B --max-duration T --mem B --utc --progress W --color W
Where:  --broker-conf FILE  --commitlog DIR[,DIR]  --consumequeue DIR  --index DIR  --config DIR

Every state file stands beside its .bak: which of them can be read, and which one a broker takes.

Exit: 0 done, 4 a file does not hold what it should, 8 could not read, 16 wrong use; added up.
)";

constexpr std::string_view kVerify =
    R"(Usage: rmq-verify STORE [flags]         judges a RocketMQ store; never writes into it

  --level quick|normal|deep|paranoid     how much to look at (default normal)
  --only CODES   --skip CODES            findings to look for or to leave out: CL-*,CQ-DANGLING
  --preflight [--version-as 4.9|5.3]     what a stock broker would do if it were started now
  --preflight --version-as libstore      what rmq-store open would do, step by step
  --report FILE.html                     also a page for people: what is lost, where, what to do
  --explain CODE|list|all                what a finding means, its usual cause, what to do
  --live                                 beside a running broker, up to where the store is settled
  --compare STORE2                       a replica, or before and after: what differs, and where

  -o, --output text|json   --json        how to print; JSON is one object a line
  -j, --jobs N   --max-rate BYTES   --max-duration TIME   --mem BYTES
  --utc   --progress auto|always|never   --color auto|always|never (also NO_COLOR)
  --broker-conf FILE   --commitlog DIR[,DIR]   --consumequeue DIR   --index DIR   --config DIR
  -h, --help   --version

Findings: loss = cannot be read, hidden = nothing leads to it, degraded = no message suffers yet,
benign = no harm.
Exit: 0 clean, 2 unclean stop from which a stock broker recovers every message, 4 problems found,
8 could not read, 16 wrong use, 32 cancelled, 64 the store is in use; added up (2 and 4 exclude
each other). Manual: man rmq-verify.
)";

constexpr std::string_view kStore =
    R"(Usage: rmq-store open STORE [flags]     recovers a store, reports, closes it cleanly
       rmq-store put STORE [flags]      appends messages: standard input as rmq-dump prints them in
                                        JSON with bodies in base64
       rmq-store get STORE -t TOPIC -q QUEUE [--from OFFSET] [-n, --count N]
       rmq-store query STORE --key KEY [-t TOPIC] [-n COUNT]

  --check full|tail     how much of the log recovery looks at (open: full; else what is not
                        covered by the checkpoint)
  --flush sync|async    when a message counts as stored (default as broker.conf says, else async)

Flags of every command:
  -o, --output text|json   --json   -j, --jobs N   --broker-conf FILE
  --commitlog DIR[,DIR]   --consumequeue DIR   --index DIR   --config DIR   -h, --help   --version

Writes into STORE; put makes one that does not exist. Offsets and store times are new.
Bytes that recovery overwrites are kept in STORE/lost+found.
Exit: 0 done, 4 nothing found, or the store needs repair, 8 could not read or write, 16 wrong use,
32 cancelled, 64 the store is in use; added up.
)";

constexpr std::string_view kRepair =
    R"(Usage: rmq-repair STORE [--plan P.json]         shows what would be done, and changes nothing
       rmq-repair apply P.json [--undo DIR] --yes  carries a plan out, if it still fits the store
       rmq-repair undo DIR --yes                   puts every byte back
       rmq-repair STORE --out NEWDIR               makes a mended copy, and leaves STORE alone
       rmq-repair STORE --preen --yes              only what cannot lose a message
       rmq-repair cut STORE --to-offset X|--to-time T    ends the log there
       rmq-repair heal STORE --from REPLICA        takes damaged ranges from another copy
       rmq-repair carve PATH --out NEWDIR          finds messages in any bytes: see carve --help

  --plan FILE     keeps the plan, as JSON, for apply
  --yes           carries it out; without it nothing is changed
  --undo DIR      where the old bytes go (default: STORE/lost+found/<UTC time>)
  --to-offset X   the last record that ends at X or before it is the last one
  --to-time T     records stored later go: ISO 8601, epoch milliseconds, or -2h

Flags of every command:
  -o, --output text|json   --json   -j, --jobs N   --utc   --progress auto|always|never
  --broker-conf FILE   --commitlog DIR[,DIR]   --consumequeue DIR   --index DIR   --config DIR
  -h, --help   --version

Nothing is deleted. The store must not be in use.
Exit: a plan has rmq-verify's code, 4 if there is work; carried out: 1, or 5 when problems stay;
0 nothing to do, 8 could not read or write, or too little space, 16 wrong use, 32 cancelled (and put
back), 64 the store is in use, or not what the plan saw; added up. Manual: man rmq-repair.
)";

constexpr std::string_view kReindex =
    R"(Usage: rmq-reindex STORE --cq|--index|--all [flags]     makes queues and index anew from the log

  --cq                       the consume queues
  --index[=DIR]              the key index (which lies in DIR)         --all      both
  -t, --topic GLOB...   -T, --exclude-topic GLOB...   -q, --queue 0,3-5      only these queues
  --verify-only              writes nothing; tells where queues and index are not what the log says
  --fill-only                what is there stays; what is missing is added
  --out DIR                  into an empty directory instead of the store
  --no-strict-names          patterns may match nothing

Flags of every command:
  -o, --output text|json   --json        how to print; JSON is one object a line
  -j, --jobs N   --max-rate BYTES   --mem BYTES      threads; bytes read a second; memory
  --utc   --progress auto|always|never   --color auto|always|never (also NO_COLOR)
  --broker-conf FILE   --commitlog DIR[,DIR]   --consumequeue DIR   --config DIR
  -h, --help   --version

Built aside, then swapped in; what was there is kept in STORE/lost+found/<UTC time>.
Exit: 0 done, or all the same, 4 differences or a log that needs rmq-repair first, 8 could not
read or write, 16 wrong use, 32 cancelled, 64 the store is in use. Manual: man rmq-reindex.
)";

}  // namespace

std::string_view dump_help(std::string_view verb) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kPages{
      {{"", kDump},
       {"log", kLog},
       {"cq", kCq},
       {"index", kIndex},
       {"key", kKey},
       {"msg", kMsg},
       {"trace", kTrace},
       {"state", kState},
       {"config", kConfig},
       {"usage", kUsage},
       {"snapshot", kSnapshot}}};
  for (const auto& [name, page] : kPages) {
    if (name == verb) return page;
  }
  return {};
}

std::string_view verify_help() { return kVerify; }

std::string_view store_help() { return kStore; }

std::string_view repair_help() { return kRepair; }

std::string_view reindex_help() { return kReindex; }

}  // namespace rmq::cli
