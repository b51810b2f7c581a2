#include "tools/cli/dump_options.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <utility>

#include "tools/cli/terminal.h"
#include "tools/cli/values.h"

namespace rmq::cli {
namespace {

using forensics::BodyForm;
using forensics::DumpOptions;
using forensics::PropertyForm;
using forensics::RecordFilter;
using forensics::StatsGroup;

constexpr std::int64_t kMostRecords = INT64_MAX;

const std::vector<Flag> kTopicFlags{{"topic,t", FlagKind::values},
                                    {"exclude-topic,T", FlagKind::values},
                                    {"no-system", FlagKind::given},
                                    {"no-strict-names", FlagKind::given}};
const std::vector<Flag> kQueueFlags{{"queue,q", FlagKind::values}, {"qfrom"}, {"qto"}};
const std::vector<Flag> kTimeFlags{{"since"}, {"until"}};
const std::vector<Flag> kOffsetFlags{{"from"}, {"to"}};
const std::vector<Flag> kCountFlags{{"limit,n"}, {"tail"}};
const std::vector<Flag> kContentFlags{{"key"}, {"msgid"}, {"tag"}, {"prop"}, {"body-grep"}};
const std::vector<Flag> kRecordFlags{{"body"},
                                     {"decompress", FlagKind::given},
                                     {"props"},
                                     {"hash", FlagKind::given},
                                     {"join", FlagKind::given}};

template <class T>
Result<void> read_into(const Arguments& arguments, const std::string& flag, std::optional<T>& target,
                       Result<T> (*parse)(std::string_view, const std::string&)) {
  const auto text = arguments.value(flag);
  if (!text) return {};
  RMQ_TRY(value, parse("--" + flag, *text));
  target = value;
  return {};
}

Result<void> read_ranges(const Arguments& arguments, RecordFilter& filter) {
  for (const auto& [flag, target] :
       {std::pair{"from", &filter.from}, std::pair{"to", &filter.to}, std::pair{"qfrom", &filter.queue_from},
        std::pair{"qto", &filter.queue_to}}) {
    const auto read = read_into(arguments, flag, *target, parse_offset);
    if (!read) return read.error();
  }
  if (filter.from && filter.to && *filter.to <= *filter.from) {
    return wrong_use("--to is not above --from: no record can lie between them");
  }
  if (filter.queue_from && filter.queue_to && *filter.queue_to <= *filter.queue_from) {
    return wrong_use("--qto is not above --qfrom: no record can lie between them");
  }
  for (const std::string& text : arguments.values("queue")) {
    RMQ_TRY(ranges, parse_ranges("--queue", text));
    filter.queue_ids.insert(filter.queue_ids.end(), ranges.begin(), ranges.end());
  }
  return {};
}

Result<void> read_times(const Arguments& arguments, bool utc, RecordFilter& filter) {
  const std::int64_t now = now_ms();
  for (const auto& [flag, target] :
       {std::pair{"since", &filter.since_ms}, std::pair{"until", &filter.until_ms}}) {
    const auto text = arguments.value(flag);
    if (!text) continue;
    RMQ_TRY(ms, parse_time("--" + std::string(flag), *text, utc, now));
    *target = ms;
  }
  if (filter.since_ms && filter.until_ms && *filter.until_ms <= *filter.since_ms) {
    return wrong_use("--until is not after --since: no record can lie between them");
  }
  return {};
}

Result<void> read_content(const Arguments& arguments, RecordFilter& filter) {
  for (const auto& [flag, target] :
       {std::pair{"topic", &filter.topics}, std::pair{"exclude-topic", &filter.excluded_topics}}) {
    for (const std::string& text : arguments.values(flag)) {
      std::vector<std::string> globs = split_commas(text);
      if (globs.empty()) return wrong_use("--" + std::string(flag) + " '" + text + "' names no topic");
      std::ranges::move(globs, std::back_inserter(*target));
    }
  }
  filter.no_system = arguments.has("no-system");
  filter.keys = arguments.values("key");
  filter.message_ids = arguments.values("msgid");
  filter.tags = arguments.values("tag");
  for (const std::string& text : arguments.values("prop")) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return wrong_use("--prop '" + text + "' makes no sense; give a property and its value as NAME=VALUE");
    }
    filter.properties.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  filter.body_pattern = arguments.value("body-grep");
  for (const auto& [flag, target] : {std::pair{"limit", &filter.limit}, std::pair{"tail", &filter.tail}}) {
    const auto text = arguments.value(flag);
    if (!text) continue;
    RMQ_TRY(count, parse_count("--" + std::string(flag), *text, 0, kMostRecords));
    *target = count;
  }
  if (filter.limit && filter.tail)
    return wrong_use("--limit and --tail exclude each other; give one of them");
  return {};
}

// One body to one new file in `directory`; an existing one is never written over.
Result<std::string> write_body_file(const std::string& directory, std::string_view name,
                                    std::span<const std::byte> body) {
  for (int copy = 0; copy < 1000; ++copy) {
    const std::string path =
        io::join_path(directory, std::string(name) + (copy == 0 ? "" : "-" + std::to_string(copy)) + ".body");
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0 && errno == EEXIST) continue;
    if (descriptor < 0) return os_error(errno, "creating " + path);
    while (!body.empty()) {
      const ssize_t done = ::write(descriptor, body.data(), body.size());
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) {
        const int fault = errno;
        ::close(descriptor);
        return os_error(fault, "writing " + path);
      }
      body = body.subspan(static_cast<std::size_t>(done));
    }
    if (::close(descriptor) != 0) return os_error(errno, "writing " + path);
    return path;
  }
  return wrong_use(directory + " holds a thousand bodies of " + std::string(name) + " already");
}

Result<void> read_body_form(const Arguments& arguments, DumpOptions& options) {
  const std::string text = arguments.value("body").value_or("none");
  static constexpr std::array<std::pair<std::string_view, BodyForm>, 4> kForms{
      {{"none", BodyForm::none},
       {"text", BodyForm::text},
       {"hex", BodyForm::hex},
       {"base64", BodyForm::base64}}};
  for (const auto& [name, form] : kForms) {
    if (text == name) {
      options.body = form;
      return {};
    }
  }
  if (!text.starts_with("file:") || text.size() == 5) {
    return wrong_use("--body '" + text + "' makes no sense; give none, text, hex, base64 or file:DIR");
  }
  const std::string directory = text.substr(5);
  const auto entry = io::posix_read_file_system().stat(directory);
  if (!entry || entry->kind != io::EntryKind::directory) {
    return wrong_use("--body file:" + directory + ": no such directory; make it first");
  }
  options.body = BodyForm::file;
  options.body_writer = [directory](std::string_view name, std::span<const std::byte> body) {
    return write_body_file(directory, name, body);
  };
  return {};
}

Result<void> read_record_options(const Arguments& arguments, DumpOptions& options) {
  const auto body = read_body_form(arguments, options);
  if (!body) return body.error();
  options.decompress = arguments.has("decompress");
  options.hash = arguments.has("hash");
  options.join = arguments.has("join");
  const bool text = options.format == forensics::OutputFormat::text;
  const std::string props = arguments.value("props").value_or(text ? "none" : "all");
  if (props != "all" && props != "user" && props != "none") {
    return wrong_use("--props '" + props + "' makes no sense; give all, user or none");
  }
  options.properties = props == "all"    ? PropertyForm::all
                       : props == "user" ? PropertyForm::user
                                         : PropertyForm::none;
  if (const auto stats = arguments.value("stats")) {
    static constexpr std::array<std::pair<std::string_view, StatsGroup>, 4> kGroups{
        {{"topic", StatsGroup::topic},
         {"queue", StatsGroup::queue},
         {"hour", StatsGroup::hour},
         {"tag", StatsGroup::tag}}};
    for (const auto& [name, group] : kGroups) {
      if (*stats == name) options.stats = group;
    }
    if (options.stats == StatsGroup::none) {
      return wrong_use("--stats '" + *stats + "' makes no sense; give topic, queue, hour or tag");
    }
  }
  return {};
}

void append(std::vector<Flag>& flags, const std::vector<Flag>& more) {
  flags.insert(flags.end(), more.begin(), more.end());
}

}  // namespace

const std::vector<std::string>& dump_verbs() {
  static const std::vector<std::string> kVerbs{"log",   "cq",    "index",  "key",   "msg",
                                               "trace", "state", "config", "usage", "snapshot"};
  return kVerbs;
}

Grammar dump_grammar(const std::string& verb) {
  Grammar grammar;
  grammar.program = "rmq-dump";
  grammar.verb = verb;
  grammar.flags = common_flags();
  if (verb != "snapshot") grammar.flags.push_back({"max-duration"});
  grammar.positionals = verb == "key" || verb == "msg" || verb == "trace" ? 2 : 1;
  if (verb == "log") {
    for (const auto* flags : {&kTopicFlags, &kQueueFlags, &kTimeFlags, &kOffsetFlags, &kContentFlags,
                              &kCountFlags, &kRecordFlags}) {
      append(grammar.flags, *flags);
    }
    grammar.flags.push_back({"stats"});
    grammar.optional_values["--stats"] = "topic";
    grammar.flags.push_back({"follow,f", FlagKind::given});
  } else if (verb == "cq") {
    for (const auto* flags : {&kTopicFlags, &kQueueFlags, &kOffsetFlags, &kCountFlags, &kRecordFlags}) {
      append(grammar.flags, *flags);
    }
    grammar.flags.push_back({"all", FlagKind::given});
  } else if (verb == "index") {
    append(grammar.flags, kOffsetFlags);
    append(grammar.flags, kCountFlags);
    grammar.flags.push_back({"file"});
    grammar.flags.push_back({"chains", FlagKind::given});
  } else if (verb == "key") {
    append(grammar.flags, kTopicFlags);
    append(grammar.flags, kTimeFlags);
    append(grammar.flags, kRecordFlags);
    grammar.flags.push_back({"limit,n"});
  } else if (verb == "msg") {
    append(grammar.flags, kRecordFlags);
  } else if (verb == "trace") {
    for (const auto* flags : {&kTopicFlags, &kTimeFlags, &kOffsetFlags}) append(grammar.flags, *flags);
    grammar.flags.push_back({"limit,n"});
  } else if (verb == "snapshot") {
    grammar.flags.push_back({"out"});
  }
  return grammar;
}

Result<DumpOptions> dump_options(const std::string& verb, const Arguments& arguments,
                                 const CommonOptions& common) {
  DumpOptions options;
  options.format = common.format;
  options.utc = common.utc;
  options.color = common.format == forensics::OutputFormat::text && wants_color(common.color, STDOUT_FILENO);
  options.jobs = common.jobs;
  options.memory = common.memory;
  options.strict_names = !arguments.has("no-strict-names");
  options.all = arguments.has("all");
  options.chains = arguments.has("chains");
  options.index_file = arguments.value("file").value_or("");
  for (const auto& read :
       {read_ranges(arguments, options.filter), read_times(arguments, common.utc, options.filter),
        read_content(arguments, options.filter), read_record_options(arguments, options)}) {
    if (!read) return read.error();
  }
  if (arguments.has("follow")) {
    for (const char* flag : {"stats", "join"}) {
      if (arguments.has(flag))
        return wrong_use("--follow and --" + std::string(flag) +
                         " exclude each other: the log goes on growing");
    }
  }
  if (verb == "key" || verb == "msg" || verb == "trace") {
    options.filter.keys.clear();
    options.key = arguments.positionals().at(1);
    if (options.key.empty())
      return wrong_use("an empty text is no " + std::string(verb == "msg" ? "message id" : "key"));
  }
  return options;
}

}  // namespace rmq::cli
