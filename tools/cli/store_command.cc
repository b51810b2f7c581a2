#include "tools/cli/store_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <functional>
#include <optional>
#include <set>

#include "libstore/engine/message_store.h"
#include "libstore/json/json_writer.h"
#include "libstore/recovery/plan_text.h"
#include "tools/cli/command_line.h"
#include "tools/cli/exit_codes.h"
#include "tools/cli/help.h"
#include "tools/cli/message_lines.h"
#include "tools/cli/store_input.h"
#include "tools/cli/terminal.h"

namespace rmq::cli {
namespace {

constexpr std::string_view kProgram = "rmq-store";

int fail(const Error& error) {
  complain(kProgram, sentence_of(error));
  return exit_code_of(error);
}

Grammar grammar_of(const std::string& verb) {
  Grammar grammar = common_grammar(kProgram, verb);
  grammar.add({{"flush"}, {"check"}});
  if (verb == "query") grammar.add({{"key"}, {"topic,t"}, {"count,n"}});
  if (verb == "get") grammar.add({{"topic,t"}, {"queue,q"}, {"from"}, {"count,n"}});
  return grammar;
}

template <class T>
Result<std::optional<T>> number_of(const Arguments& arguments, const std::string& flag, T least) {
  const auto text = arguments.value(flag);
  if (!text) return std::optional<T>();
  T value{};
  const auto end = std::from_chars(text->data(), text->data() + text->size(), value);
  if (end.ec != std::errc{} || end.ptr != text->data() + text->size() || value < least) {
    return wrong_use(fmt::format("--{} '{}' makes no sense; give a number from {} on", flag, *text, least));
  }
  return std::optional<T>(value);
}

Result<engine::StoreOptions> store_options(const Arguments& arguments, recovery::Depth check) {
  engine::StoreOptions options;
  RMQ_TRY(config, store_config(kProgram, arguments, arguments.positionals().front()));
  options.config = config;
  options.check = check;
  if (const auto text = arguments.value("check")) {
    if (*text != "full" && *text != "tail")
      return wrong_use("--check '" + *text + "' makes no sense; give full or tail");
    options.check = *text == "full" ? recovery::Depth::full : recovery::Depth::tail;
  }
  if (config.sync_flush) options.flush = engine::FlushDiskType::sync_flush;
  if (const auto text = arguments.value("flush")) {
    if (*text != "sync" && *text != "async")
      return wrong_use("--flush '" + *text + "' makes no sense; give sync or async");
    options.flush = *text == "sync" ? engine::FlushDiskType::sync_flush : engine::FlushDiskType::async_flush;
  }
  RMQ_TRY(common, common_options(arguments));
  options.jobs = static_cast<std::size_t>(common.jobs);
  return options;
}

// An open store, or the exit code with which its absence was told.
struct Opened {
  std::unique_ptr<engine::MessageStore> store;
  int code = kExitClean;
};

Opened open_store(const Arguments& arguments, recovery::Depth check, bool may_be_new) {
  auto options = store_options(arguments, check);
  if (!options) return {nullptr, fail(options.error())};
  const std::string& root = options->config.root;
  const auto there = io::posix_read_file_system().list(root);
  const bool is_new = may_be_new && (there ? there->empty() : there.error().code == ErrorCode::not_found);
  if (!is_new) {
    const auto survey = scan::survey_store(io::posix_read_file_system(), options->config);
    if (!survey && survey.error().code == ErrorCode::not_found)
      return {nullptr, fail(wrong_use("no such store: " + root))};
    if (!survey) return {nullptr, fail(survey.error())};
    if (survey->single_file)
      return {nullptr, fail(wrong_use(root + " is one file; give the directory above commitlog/"))};
    const forensics::LockState lock = ask_lock_state(*survey);
    if (lock.holder || lock.writer) {
      complain(kProgram, live_sentence(root, lock));
      return {nullptr, kExitRefused};
    }
  }
  auto store = engine::MessageStore::open(io::posix_file_system(), std::move(*options));
  if (store) return {std::move(*store), kExitClean};
  // The place is right, so it is the store.
  const int code = store.error().code == ErrorCode::wrong_use ? kExitProblems : exit_code_of(store.error());
  complain(kProgram, sentence_of(store.error()));
  return {nullptr, code};
}

void tell_plan(const engine::OpenReport& report) {
  for (const std::string& step : recovery::steps_as_text(report.plan)) complain(kProgram, step);
}

int finish(engine::MessageStore& store, int code) {
  const auto closed = store.close();
  if (closed) return code;
  complain(kProgram, "closing: " + sentence_of(closed.error()));
  return code | kExitFault;
}

int open_verb(const Arguments& arguments, const CommonOptions& common) {
  const auto [store, refusal] = open_store(arguments, recovery::Depth::full, false);
  if (!store) return refusal;
  const engine::OpenReport report = store->report();
  if (const int code = finish(*store, kExitClean); code != kExitClean) return code;
  StandardOutput out;
  if (common.format == forensics::OutputFormat::json) {
    json::JsonLine line;
    line.begin_object();
    line.field("kind", "open");
    line.field("schema", 1);
    recovery::write_plan(line, report.plan, report.plan.log_end);
    line.field("seconds", report.seconds);
    line.end_object();
    line.end_line();
    return out.write(line.text()) ? kExitClean : kExitFault;
  }
  tell_plan(report);
  const recovery::Plan& plan = report.plan;
  return out.write(fmt::format("{}: {} records from {} to {} looked at in {:.2f} s, closed cleanly\n",
                               plan.was_closed_cleanly ? "was clean" : "recovered", plan.records,
                               plan.walked_from, plan.log_end, report.seconds))
             ? kExitClean
             : kExitFault;
}

// Standard input, line by line; a line is as long as a message may be.
class Lines {
 public:
  // False at the end, and where reading failed: error() tells.
  bool next(std::string& line) {
    line.clear();
    while (true) {
      const std::size_t end = buffer_.find('\n', at_);
      if (end != std::string::npos) {
        line.append(buffer_, at_, end - at_);
        at_ = end + 1;
        ++number_;
        return true;
      }
      line.append(buffer_, at_);
      at_ = buffer_.size();
      if (line.size() > kLongest) {
        error_ = wrong_use(fmt::format("line {} is longer than any message", number_ + 1));
        return false;
      }
      buffer_.resize(kBlock);
      ssize_t got = 0;
      do {
        got = ::read(STDIN_FILENO, buffer_.data(), kBlock);
      } while (got < 0 && errno == EINTR && !stop_requested());
      buffer_.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      at_ = 0;
      if (got < 0) error_ = os_error(errno, "reading standard input");
      if (got <= 0) {
        if (line.empty()) return false;
        ++number_;
        return true;
      }
    }
  }
  [[nodiscard]] std::int64_t number() const { return number_; }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  static constexpr std::size_t kBlock = 1 << 20;
  static constexpr std::size_t kLongest = 256 << 20;
  std::string buffer_;
  std::size_t at_ = 0;
  std::int64_t number_ = 0;
  std::optional<Error> error_;
};

int put_verb(const Arguments& arguments, const CommonOptions& common) {
  const auto [store, refusal] = open_store(arguments, recovery::Depth::tail, true);
  if (!store) return refusal;
  tell_plan(store->report());
  Lines lines;
  MessageLine message;
  std::string line;
  std::int64_t put = 0;
  int code = kExitClean;
  while (!stop_requested() && lines.next(line)) {
    if (line.empty()) continue;
    const auto is_record = read_message_line(line, message);
    if (!is_record) {
      complain(kProgram, fmt::format("line {}: {}", lines.number(), sentence_of(is_record.error())));
      code = kExitWrongUse;
      break;
    }
    if (!*is_record) continue;
    const engine::PutResult result = store->put(message.view);
    if (!result.ok()) {
      const auto why = store->log().failure();
      complain(kProgram, fmt::format("line {}: {}{}", lines.number(), to_string(result.status),
                                     why ? ": " + why->message() : std::string()));
      code = kExitFault;
      break;
    }
    ++put;
  }
  if (lines.error()) code = fail(*lines.error());
  if (stop_requested()) code |= kExitCancelled;
  code = finish(*store, code);
  StandardOutput out;
  std::string text = fmt::format("{} messages put\n", put);
  if (common.format == forensics::OutputFormat::json) {
    json::JsonLine json;
    json.begin_object();
    json.field("kind", "put");
    json.field("schema", 1);
    json.field("messages", put);
    json.field("lines", lines.number());
    json.end_object();
    json.end_line();
    text = json.text();
  }
  return out.write(text) ? code : code | kExitFault;
}

std::string message_line(const format::MessageView& message, std::int64_t queue_offset,
                         forensics::OutputFormat format) {
  if (format == forensics::OutputFormat::text) {
    return fmt::format("{}/{} {}  at {}, {} bytes, {}\n", message.topic, message.queue_id, queue_offset,
                       message.physical_offset, message.total_size, format::offset_message_id(message));
  }
  json::JsonLine line;
  line.begin_object();
  line.field("kind", "message");
  line.field("schema", 1);
  line.field("topic", message.topic);
  line.field("queueId", message.queue_id);
  line.field("queueOffset", queue_offset);
  line.field("phyOffset", message.physical_offset);
  line.field("size", message.total_size);
  line.field("storeTimestamp", message.store_timestamp);
  line.field("offsetMsgId", format::offset_message_id(message));
  line.field("bodySize", static_cast<std::int64_t>(message.body.size()));
  line.end_object();
  line.end_line();
  return std::string(line.text());
}

int get_verb(const Arguments& arguments, const CommonOptions& common) {
  const auto topic = arguments.value("topic");
  const auto queue = number_of<std::int32_t>(arguments, "queue", 0);
  if (!queue) return fail(queue.error());
  const auto from = number_of<std::int64_t>(arguments, "from", 0);
  if (!from) return fail(from.error());
  const auto count = number_of<std::int32_t>(arguments, "count", 1);
  if (!count) return fail(count.error());
  if (!topic || !*queue) return fail(wrong_use("give -t TOPIC and -q QUEUE"));
  const auto [store, refusal] = open_store(arguments, recovery::Depth::tail, false);
  if (!store) return refusal;
  engine::GetOptions options;
  options.max_messages = (*count).value_or(32);
  const auto got = store->get(*topic, **queue, (*from).value_or(0), options);
  if (!got) {
    (void)finish(*store, kExitFault);
    return fail(got.error());
  }
  StandardOutput out;
  std::string text;
  for (const engine::GetResult::Message& one : got->messages) {
    const auto message = format::MessageView::parse(std::span(got->bytes).subspan(one.position, one.size));
    if (message) text += message_line(*message, one.queue_offset, common.format);
  }
  if (common.format == forensics::OutputFormat::json) {
    json::JsonLine line;
    line.begin_object();
    line.field("kind", "get");
    line.field("schema", 1);
    line.field("status", to_string(got->status));
    line.field("messages", static_cast<std::int64_t>(got->messages.size()));
    line.field("nextBeginOffset", got->next_begin_offset);
    line.field("minOffset", got->min_offset);
    line.field("maxOffset", got->max_offset);
    line.end_object();
    line.end_line();
    text += line.text();
  } else if (got->status != engine::GetStatus::found) {
    text += fmt::format("{}: the queue holds {} to {}\n", to_string(got->status), got->min_offset,
                        got->max_offset);
  }
  const int code = got->status == engine::GetStatus::found ? kExitClean : kExitProblems;
  const bool written = out.write(text);
  return finish(*store, written ? code : code | kExitFault);
}

std::set<std::string> topics_of(const Arguments& arguments, const engine::MessageStore& store) {
  if (const auto topic = arguments.value("topic")) return {*topic};
  std::set<std::string> topics;
  for (const scan::Queue& queue : store.report().survey.queues) topics.insert(queue.topic);
  return topics;
}

int query_verb(const Arguments& arguments, const CommonOptions& common) {
  const auto key = arguments.value("key");
  const auto count = number_of<std::int32_t>(arguments, "count", 1);
  if (!count) return fail(count.error());
  if (!key) return fail(wrong_use("give --key KEY"));
  const auto [store, refusal] = open_store(arguments, recovery::Depth::tail, false);
  if (!store) return refusal;
  std::vector<std::int64_t> found;
  for (const std::string& topic : topics_of(arguments, *store)) {
    const auto some = store->query(topic, *key, {.most = static_cast<std::size_t>((*count).value_or(64))});
    if (!some) {
      (void)finish(*store, kExitFault);
      return fail(some.error());
    }
    found.insert(found.end(), some->begin(), some->end());
  }
  std::ranges::sort(found, std::greater<>{});
  std::string text;
  for (const std::int64_t offset : found) {
    const auto record = store->look_up(offset);
    const auto message = record ? format::MessageView::parse(*record) : DecodeError{};
    if (!message) continue;
    text += message_line(*message, message->queue_offset, common.format);
  }
  StandardOutput out;
  const bool written = out.write(text);
  const int code = found.empty() ? kExitProblems : kExitClean;
  if (found.empty()) complain(kProgram, "no message has the key '" + *key + "'");
  return finish(*store, written ? code : code | kExitFault);
}

}  // namespace

int run_store_command(const std::vector<std::string>& tokens) {
  StandardOutput out;
  const std::string verb = tokens.empty() ? "" : tokens.front();
  if (verb == "--version") return out.write("rmq-store " RMQ_VERSION "\n") ? kExitClean : kExitFault;
  if (verb.empty() || verb == "--help" || verb == "-h") {
    const bool written = out.write(store_help());
    return verb.empty() ? kExitWrongUse : written ? kExitClean : kExitFault;
  }
  if (verb != "open" && verb != "put" && verb != "get" && verb != "query") {
    return fail(wrong_use("'" + verb + "' is no verb of rmq-store; give open, put, get or query"));
  }
  const auto arguments = parse_arguments(grammar_of(verb), {tokens.begin() + 1, tokens.end()});
  if (!arguments) return fail(arguments.error());
  if (arguments->has("help")) return out.write(store_help()) ? kExitClean : kExitFault;
  const auto common = common_options(*arguments);
  if (!common) return fail(common.error());
  if (arguments->positionals().empty())
    return fail(wrong_use("no STORE given; rmq-store " + verb + " STORE"));
  install_signal_handlers();
  if (verb == "open") return open_verb(*arguments, *common);
  if (verb == "query") return query_verb(*arguments, *common);
  return verb == "put" ? put_verb(*arguments, *common) : get_verb(*arguments, *common);
}

}  // namespace rmq::cli
