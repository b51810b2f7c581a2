// rmq-bench: what the engine does on this machine, as figures to compare.
#include <fmt/format.h>

#include <array>

#include "bench/broker_verb.h"
#include "bench/measure.h"
#include "bench/store_load.h"
#include "libstore/bytes/crc32.h"
#include "libstore/engine/message_store.h"
#include "libstore/json/json_writer.h"
#include "tools/cli/command_line.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/store_input.h"
#include "tools/cli/terminal.h"
#include "tools/cli/values.h"

namespace {

using namespace rmq;
using namespace rmq::cli;
using namespace rmq::bench;

constexpr std::string_view kProgram = "rmq-bench";

constexpr std::string_view kHelp =
    R"(usage: rmq-bench store DIR [flags]    puts messages into a new store and says how quick it was
       rmq-bench limits DIR [flags]   what the machine can do: appends into memory, durable writes
       rmq-bench broker PORT [flags]  sends to, or pulls from, a broker on 127.0.0.1 (rmq-bench broker --help)

  --messages N      how many are put and measured (default 1000000)
  --warm N          how many before that (default a fifth, at most 200000)
  --body SIZE       bytes of a body (default 1024)
  --producers N     threads that put (default 1)
  --span N          messages of one put (default 1)
  --outstanding N   one producer that does not wait, but has at most N messages unanswered (default 0: each put waits)
  --queues N        written in turn (default 4), spread over --topics N (default 1)
  --keys            each message has a key
  --flush HOW       sync or async (default)
  --get N           then reads every queue, N messages at a time
  --broker-conf F   file sizes and paths of the store

Prints one JSON object: messages a second, CPU of the whole process a message, latencies in nanoseconds (all, within 10 ms
of a new log file, elsewhere), anonymous memory. DIR stays; remove it afterwards.

exit code: 0 measured, 4 puts were refused, 8 cannot read or write, 16 wrong use
)";

int fail(const Error& error) {
  complain(kProgram, sentence_of(error));
  return exit_code_of(error);
}

Grammar grammar_of(const std::string& verb) {
  Grammar grammar = common_grammar(kProgram, verb);
  grammar.add({{"body"}, {"outstanding"}});
  if (verb == "store")
    grammar.add({{"messages"},
                 {"producers"},
                 {"span"},
                 {"queues"},
                 {"topics"},
                 {"keys", FlagKind::given},
                 {"flush"},
                 {"warm"},
                 {"get"}});
  return grammar;
}

Result<std::int64_t> count_of(const Arguments& arguments, const std::string& flag, std::int64_t standard,
                              std::int64_t least) {
  const auto text = arguments.value(flag);
  if (!text) return standard;
  return parse_count(flag, *text, least, 1'000'000'000);
}

void add_latencies(json::JsonLine& line, std::string_view name, const Latencies& latencies) {
  line.key(name);
  line.begin_object();
  line.field("samples", latencies.samples);
  line.field("p50", latencies.p50);
  line.field("p99", latencies.p99);
  line.field("p999", latencies.p999);
  line.field("highest", latencies.highest);
  line.end_object();
}

void add_puts(json::JsonLine& line, const PutFigures& figures) {
  const auto messages = static_cast<double>(figures.messages);
  line.field("messages", figures.messages);
  line.field("refused", figures.refused);
  line.field("logBytes", figures.bytes);
  line.field("seconds", figures.seconds);
  line.field("dispatchedSeconds", figures.dispatched_seconds);
  line.field("messagesPerSecond", messages / figures.seconds);
  line.field("dispatchedPerSecond", messages / figures.dispatched_seconds);
  line.field("bytesPerSecond", static_cast<double>(figures.bytes) / figures.seconds);
  line.field("cpuMicrosPerMessage", figures.cpu_seconds * 1e6 / messages);
  line.field("rolls", figures.rolls);
  add_latencies(line, "latencyNanos", figures.all);
  add_latencies(line, "latencyNanosAroundRolls", figures.around_rolls);
  add_latencies(line, "latencyNanosElsewhere", figures.elsewhere);
}

int store_verb(const Arguments& arguments) {
  engine::StoreOptions options;
  const std::string& root = arguments.positionals().front();
  auto config = store_config(kProgram, arguments, root);
  if (!config) return fail(config.error());
  options.config = std::move(*config);
  const auto there = io::posix_read_file_system().list(root);
  if (there && !there->empty())
    return fail(wrong_use(root + " is not empty; give a directory that does not exist yet"));
  const std::string flush = arguments.value("flush").value_or("async");
  if (flush != "sync" && flush != "async")
    return fail(wrong_use("--flush '" + flush + "' makes no sense; give sync or async"));
  options.flush = flush == "sync" ? engine::FlushDiskType::sync_flush : engine::FlushDiskType::async_flush;
  PutLoad load;
  const auto body = parse_size("body", arguments.value("body").value_or("1024"));
  if (!body) return fail(body.error());
  load.body_bytes = static_cast<std::int32_t>(*body);
  std::int64_t warm = 0;
  std::int64_t get = 0;
  const auto take = [&](auto& into, const std::string& flag, std::int64_t standard,
                        std::int64_t least) -> Status {
    RMQ_TRY(count, count_of(arguments, flag, standard, least));
    into = static_cast<std::remove_reference_t<decltype(into)>>(count);
    return {};
  };
  for (const Status& taken :
       {take(load.messages, "messages", 1'000'000, 1), take(load.producers, "producers", 1, 1),
        take(load.span, "span", 1, 1), take(load.outstanding, "outstanding", 0, 0),
        take(load.queues, "queues", 4, 1), take(load.topics, "topics", 1, 1),
        take(warm, "warm", std::min<std::int64_t>(load.messages / 5, 200'000), 0), take(get, "get", 0, 0)}) {
    if (!taken) return fail(taken.error());
  }
  load.keys = arguments.has("keys");

  auto store = engine::MessageStore::open(io::posix_file_system(), std::move(options));
  if (!store) return fail(store.error());
  PutLoad first = load;
  first.messages = warm;
  const double warm_seconds = warm > 0 ? run_puts(**store, first, 0).seconds : 0;
  const PutFigures figures = run_puts(**store, load, warm);
  json::JsonLine line;
  line.begin_object();
  line.field("kind", "store");
  line.field("schema", 1);
  line.field("flush", flush);
  line.field("body", load.body_bytes);
  line.field("producers", load.producers);
  line.field("span", load.span);
  line.field("outstanding", load.outstanding);
  line.field("queues", load.queues);
  line.field("keys", load.keys);
  line.field("warmSeconds", warm_seconds);
  add_puts(line, figures);
  line.field("rssAnonBytes", rss_anon_kib() * 1024);
  if (get > 0) {
    const auto got = run_gets(**store, load, static_cast<std::int32_t>(get));
    if (!got) return fail(got.error());
    line.field("getMessages", got->messages);
    line.field("getSeconds", got->seconds);
    line.field("getMessagesPerSecond", static_cast<double>(got->messages) / got->seconds);
    line.field("getCpuMicrosPerMessage", got->cpu_seconds * 1e6 / static_cast<double>(got->messages));
  }
  line.end_object();
  line.end_line();
  if (const Status closed = (*store)->close(); !closed) return fail(closed.error());
  return StandardOutput().write(line.text()) ? figures.refused > 0 ? kExitProblems : kExitClean : kExitFault;
}

// ---- what the machine can do ----

constexpr std::int64_t kLimitBytes = 1 << 30;

// One record after the other encoded with its CRC into a populated map, a queue entry each: what an append
// cannot do without.
Result<double> appends_per_second(io::FileSystem& files, const std::string& path, std::int64_t body_bytes) {
  RMQ_TRY(file, files.create(path, kLimitBytes, {}));
  RMQ_TRY(map, file->map(0, kLimitBytes));
  map->populate(0, kLimitBytes);
  format::MessageView message;
  const std::vector<std::byte> body(static_cast<std::size_t>(body_bytes), std::byte{'x'});
  const std::array<std::byte, 4> host{};
  message.body = body;
  message.topic = "Bench0";
  message.properties = "TAGS\x01TAG1\x02";
  message.born_host = message.store_host = {host, 1};
  const auto size = static_cast<std::size_t>(format::encoded_size(message).value_or(0));
  std::vector<std::byte> queue(20 << 20);
  std::size_t units = 0;
  const auto start = Clock::now();
  for (std::span<std::byte> rest = map->bytes(); rest.size() >= size; rest = rest.subspan(size), ++units) {
    message.body_crc = java_crc32(body);
    format::encode_into(message, rest.first(size));
    std::memcpy(queue.data() + units % (1 << 20) * 20, rest.data(), 20);
  }
  return static_cast<double>(units) / seconds_since(start);
}

// Durable writes of `bytes` each, one after the other, over bytes that were written before.
Result<double> durable_writes_per_second(io::FileSystem& files, const std::string& path, std::int64_t bytes) {
  constexpr std::int64_t kFile = 256 << 20;
  RMQ_TRY(file, files.create(path, kFile, {}));
  const std::vector<std::byte> zeros(1 << 20);
  for (std::int64_t at = 0; at < kFile; at += std::ssize(zeros)) RMQ_CHECK(file->write_at(at, zeros));
  RMQ_CHECK(file->sync());
  const std::vector<std::byte> data(static_cast<std::size_t>(bytes), std::byte{'x'});
  const auto start = Clock::now();
  int writes = 0;
  for (std::int64_t at = 0; seconds_since(start) < 1.0;
       at = at + 2 * bytes <= kFile ? at + bytes : 0, ++writes)
    RMQ_CHECK(file->write_durable(at, data));
  return writes / seconds_since(start);
}

int limits_verb(const Arguments& arguments) {
  io::FileSystem& files = io::posix_file_system();
  const std::string& root = arguments.positionals().front();
  const auto body = parse_size("body", arguments.value("body").value_or("1024"));
  if (!body) return fail(body.error());
  const std::string path = io::join_path(root, "rmq-bench.limits");
  const auto measure = [&](auto&& figure) -> Result<double> {
    auto found = figure();
    (void)files.remove(path);
    return found;
  };
  if (const Status made = files.make_directories(root); !made) return fail(made.error());
  json::JsonLine line;
  line.begin_object();
  line.field("kind", "limits");
  line.field("schema", 1);
  const auto appends = measure([&] { return appends_per_second(files, path, *body); });
  if (!appends) return fail(appends.error());
  line.field("body", *body);
  line.field("appendsPerSecond", *appends);
  line.key("durable");
  line.begin_array();
  for (const std::int64_t bytes : {4 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20}) {
    const auto writes = measure([&] { return durable_writes_per_second(files, path, bytes); });
    if (!writes) return fail(writes.error());
    line.begin_object();
    line.field("bytes", bytes);
    line.field("writesPerSecond", *writes);
    line.field("bytesPerSecond", *writes * static_cast<double>(bytes));
    line.end_object();
  }
  line.end_array();
  line.end_object();
  line.end_line();
  return StandardOutput().write(line.text()) ? kExitClean : kExitFault;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> tokens(argv + (argc > 0 ? 1 : 0), argv + argc);
  StandardOutput out;
  const std::string verb = tokens.empty() ? "" : tokens.front();
  if (verb == "--version") return out.write("rmq-bench " RMQ_VERSION "\n") ? kExitClean : kExitFault;
  if (verb.empty() || verb == "--help" || verb == "-h") {
    const bool written = out.write(kHelp);
    return verb.empty() ? kExitWrongUse : written ? kExitClean : kExitFault;
  }
  if (verb == "broker") return broker_verb({tokens.begin() + 1, tokens.end()});
  if (verb != "store" && verb != "limits")
    return fail(wrong_use("'" + verb + "' is no verb of rmq-bench; give store, limits or broker"));
  const auto arguments = parse_arguments(grammar_of(verb), {tokens.begin() + 1, tokens.end()});
  if (!arguments) return fail(arguments.error());
  if (arguments->has("help")) return out.write(kHelp) ? kExitClean : kExitFault;
  if (const auto common = common_options(*arguments); !common) return fail(common.error());
  if (arguments->positionals().empty())
    return fail(wrong_use("no directory given; rmq-bench " + verb + " DIR"));
  return verb == "store" ? store_verb(*arguments) : limits_verb(*arguments);
}
