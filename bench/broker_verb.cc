#include "bench/broker_verb.h"

#include "bench/broker_load.h"
#include "libstore/base/status.h"
#include "libstore/json/json_writer.h"
#include "tools/cli/command_line.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/store_input.h"
#include "tools/cli/terminal.h"
#include "tools/cli/values.h"

namespace rmq::bench {
namespace {

using namespace rmq::cli;

constexpr std::string_view kProgram = "rmq-bench";

constexpr std::string_view kHelp =
    R"(usage: rmq-bench broker PORT [flags]    loads the broker at 127.0.0.1:PORT and says how quick it was

  --do WHAT         send (default), pull (what is in the topic, again and again), or held: one message at a time, sent while
                    a pull waits for it, and timed until the pull is answered
  --topic NAME      (default BenchTopic; the broker makes it) with --queues N (default 4)
  --messages N      at most (default 1000000), and for at most --seconds S (default 60)
  --body SIZE       bytes of a body (default 1024)
  --connections N   (default 4) with --depth N requests unanswered on each (default 64)
  --batch N         messages of one request: above 1 SEND_BATCH_MESSAGE, or the most of one pull (default 1)
  --rate N          requests a second, evenly; their latency counts from when each was due (default 0: as many as go)
  --header HOW      json (default) or rocketmq
  --no-wait         WAIT=false: not to wait for a synchronous flush
  --pid N           the broker's process: its CPU and anonymous memory are told

Prints one JSON object. Only what was answered with SUCCESS counts.

exit code: 0 measured, 4 something was refused, 8 the broker is gone, 16 wrong use
)";

int fail(const Error& error) {
  complain(kProgram, sentence_of(error));
  return exit_code_of(error);
}

struct Wanted {
  BrokerLoad load;
  std::string what;
  std::int64_t pid = 0;
};

Result<Wanted> wanted_of(const Arguments& arguments) {
  Wanted wanted;
  BrokerLoad& load = wanted.load;
  const auto take = [&](auto& into, const std::string& flag, std::int64_t least) -> Status {
    const auto text = arguments.value(flag);
    if (!text) return {};
    RMQ_TRY(count, parse_count(flag, *text, least, 1'000'000'000));
    into = static_cast<std::remove_reference_t<decltype(into)>>(count);
    return {};
  };
  if (arguments.positionals().empty()) return wrong_use("no port given; rmq-bench broker PORT");
  RMQ_TRY(port, parse_count("PORT", arguments.positionals().front(), 1, 65535));
  load.port = static_cast<std::uint16_t>(port);
  load.topic = arguments.value("topic").value_or(load.topic);
  wanted.what = arguments.value("do").value_or("send");
  if (wanted.what != "send" && wanted.what != "pull" && wanted.what != "held")
    return wrong_use("--do '" + wanted.what + "' makes no sense; give send, pull or held");
  RMQ_TRY(body, parse_size("body", arguments.value("body").value_or("1024")));
  load.body_bytes = static_cast<std::int32_t>(body);
  RMQ_CHECK(take(load.queues, "queues", 1));
  RMQ_CHECK(take(load.messages, "messages", 1));
  RMQ_CHECK(take(load.seconds, "seconds", 1));
  RMQ_CHECK(take(load.connections, "connections", 1));
  RMQ_CHECK(take(load.depth, "depth", 1));
  RMQ_CHECK(take(load.batch, "batch", 1));
  RMQ_CHECK(take(load.rate, "rate", 0));
  RMQ_CHECK(take(wanted.pid, "pid", 1));
  load.wait_store = !arguments.has("no-wait");
  const std::string header = arguments.value("header").value_or("json");
  if (header != "json" && header != "rocketmq")
    return wrong_use("--header '" + header + "' makes no sense; give json or rocketmq");
  load.type = header == "json" ? wire::SerializeType::json : wire::SerializeType::rocketmq;
  return wanted;
}

Result<BrokerFigures> measure(const Wanted& wanted) {
  if (wanted.what == "pull") return pull_from_broker(wanted.load);
  if (wanted.what == "held") return send_to_held_pull(wanted.load);
  return send_to_broker(wanted.load);
}

void write_figures(json::JsonLine& line, const Wanted& wanted, const BrokerFigures& figures) {
  const BrokerLoad& load = wanted.load;
  line.field("kind", "broker");
  line.field("schema", 1);
  line.field("do", wanted.what);
  line.field("body", load.body_bytes);
  line.field("connections", load.connections);
  line.field("depth", load.depth);
  line.field("batch", load.batch);
  line.field("queues", load.queues);
  line.field("rate", load.rate);
  line.field("header", load.type == wire::SerializeType::json ? "json" : "rocketmq");
  line.field("requests", figures.requests);
  line.field("messages", figures.messages);
  line.field("bytes", figures.bytes);
  line.field("refused", figures.refused);
  if (figures.refused > 0) {
    line.field("firstRefusal", figures.first_refusal);
    line.field("firstRemark", figures.first_remark);
  }
  line.field("seconds", figures.seconds);
  line.field("messagesPerSecond", static_cast<double>(figures.messages) / figures.seconds);
  line.field("bytesPerSecond", static_cast<double>(figures.bytes) / figures.seconds);
  line.field("loadCpuMicrosPerMessage",
             figures.load_cpu_seconds * 1e6 / static_cast<double>(figures.messages));
  line.key("latencyNanos");
  line.begin_object();
  line.field("samples", figures.latencies.samples);
  line.field("p50", figures.latencies.p50);
  line.field("p99", figures.latencies.p99);
  line.field("p999", figures.latencies.p999);
  line.field("highest", figures.latencies.highest);
  line.end_object();
}

}  // namespace

int broker_verb(const std::vector<std::string>& tokens) {
  StandardOutput out;
  Grammar grammar = common_grammar(kProgram, "broker");
  grammar.add({{"do"},
               {"topic"},
               {"queues"},
               {"messages"},
               {"seconds"},
               {"body"},
               {"connections"},
               {"depth"},
               {"batch"},
               {"rate"},
               {"header"},
               {"no-wait", FlagKind::given},
               {"pid"}});
  const auto arguments = parse_arguments(grammar, tokens);
  if (!arguments) return fail(arguments.error());
  if (arguments->has("help")) return out.write(kHelp) ? kExitClean : kExitFault;
  const auto wanted = wanted_of(*arguments);
  if (!wanted) return fail(wanted.error());
  const auto before = wanted->pid != 0 ? cpu_seconds_of(wanted->pid) : Result<double>(0);
  if (!before) return fail(before.error());
  const auto figures = measure(*wanted);
  if (!figures) return fail(figures.error());
  json::JsonLine line;
  line.begin_object();
  write_figures(line, *wanted, *figures);
  if (wanted->pid != 0) {
    const auto after = cpu_seconds_of(wanted->pid);
    const auto memory = rss_anon_of(wanted->pid);
    if (!after || !memory) return fail(after ? memory.error() : after.error());
    line.field("brokerCpuSeconds", *after - *before);
    line.field("brokerCpuMicrosPerMessage",
               (*after - *before) * 1e6 / static_cast<double>(figures->messages));
    line.field("brokerRssAnonBytes", *memory);
  }
  line.end_object();
  line.end_line();
  return out.write(line.text()) ? figures->refused > 0 ? kExitProblems : kExitClean : kExitFault;
}

}  // namespace rmq::bench
