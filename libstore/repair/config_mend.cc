#include "libstore/repair/config_mend.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/crc32.h"
#include "libstore/json/json_writer.h"
#include "libstore/repair/config_salvage.h"
#include "libstore/repair/newest_messages.h"
#include "libstore/repair/stock_names.h"

namespace rmq::repair {
namespace {

using format::ConfigFile;
using format::ConfigFileKind;
using json::KeyForm;
using json::Member;
using json::Object;
using json::Value;
using recovery::Step;

constexpr std::string_view kQueueType = "queue.type";
constexpr std::string_view kLmqTable = "lmqOffsetTable";

// Topics that topics.json has to list: not those above, nor LMQ topics, which have no entry.
bool is_listed(std::string_view topic) {
  return !topic.empty() && !topic.starts_with(kLmqPrefix) && !is_made_at_start(topic);
}

// fastjson escapes control characters when it writes, and takes them when it reads: zeros in a name are the
// remains of a write that was lost, and load as an entry that nobody asks for.
bool has_foreign_bytes(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return (c >= 0 && c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F; });
}

std::string counted(std::size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

// The first few of them.
std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text;
}

// Members of a bean and of a file lie sorted by name.
void set_sorted(Value& bean, std::string_view name, Value value) {
  std::vector<Member> members = bean.if_object()->members();
  std::erase_if(members, [&](const Member& member) { return member.name == name; });
  members.push_back({std::string(name), KeyForm::text, std::move(value)});
  std::ranges::sort(members, {}, &Member::name);
  bean = Value(Object::from_members(std::move(members)));
}

void set_if_absent(Value& bean, std::string_view name, Value value) {
  if (bean.find(name) == nullptr) set_sorted(bean, name, std::move(value));
}

template <class Number>
std::optional<Number> to_number(std::string_view text) {
  Number number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  return problem == std::errc{} && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// One of NAME, NAME.bak and NAME.tmp.
struct Source {
  const scan::StoreFile* file = nullptr;
  std::optional<std::string> text;
  std::optional<Value> value;  // what it loads as by itself
  std::string problem;         // why it does not

  [[nodiscard]] bool has_text() const { return text && !text->empty(); }
  [[nodiscard]] bool is_refused() const { return has_text() && !value; }
};

struct Subject {
  const ConfigFile& kind;
  std::string path;
  std::string shown;
  Source main;
  Source backup;
  Source next;  // NAME.tmp: 4.9 renames it when it is whole

  [[nodiscard]] bool is_absent() const { return !main.file && !backup.file && !next.file; }
};

// What a file is to become.
struct Draft {
  Value value;
  ConfigSource source = ConfigSource::unchanged;
  const Source* verbatim = nullptr;  // whose text it is, as long as `value` is not changed
  bool complete = true;              // a whole file is the base, not remains of one
  bool changed = false;
  std::vector<std::string> told;

  void change(std::string what) {
    changed = true;
    told.push_back(std::move(what));
  }
};

class ConfigMender {
 public:
  ConfigMender(const io::ReadFileSystem& files, const scan::StoreSurvey& survey, const recovery::Plan& plan)
      : files_(files), survey_(survey), plan_(plan) {}

  Result<ConfigMend> run() {
    if (survey_.single_file) return std::move(out_);
    look_around();
    // Offsets before topics and groups: their keys name both.
    for (const auto kind :
         {ConfigFileKind::consumer_offsets, ConfigFileKind::lmq_consumer_offsets,
          ConfigFileKind::delay_offsets, ConfigFileKind::topics, ConfigFileKind::subscription_groups,
          ConfigFileKind::consumer_filters, ConfigFileKind::consumer_order_info,
          ConfigFileKind::topic_queue_mapping, ConfigFileKind::message_request_mode,
          ConfigFileKind::timer_metrics, ConfigFileKind::transaction_metrics}) {
      RMQ_TRY(subject, read(format::config_file(kind)));
      mend(subject);
    }
    std::ranges::move(backup_steps_, std::back_inserter(out_.steps));
    return std::move(out_);
  }

 private:
  // ---- what there is

  void look_around() {
    const std::string directory = survey_.config_directory();
    for (const scan::StoreFile& file : survey_.config_files) by_name_[file.name] = &file;
    for (const scan::OtherFile& file : survey_.others) {
      constexpr std::string_view kCompacted = "compaction/compactionLog/";  // then topic, queue, files
      if (file.shown.starts_with(kCompacted)) {
        const std::string rest = file.shown.substr(kCompacted.size());
        compacted_.insert(rest.substr(0, rest.find('/')));
      }
    }
    for (const scan::OtherFile& file : survey_.others)
      in_rocksdb_ =
          in_rocksdb_ || (file.part == scan::OtherPart::rocksdb && file.path.starts_with(directory));
    for (const std::string_view name : {"topics.json", "subscriptionGroup.json", "consumerOffset.json"})
      for (const std::string_view suffix : {"", ".bak", ".tmp"})
        is_broker_ = is_broker_ || by_name_.contains(std::string(name) + std::string(suffix));
    is_broker_ = is_broker_ && !in_rocksdb_;
    is_5x_ = survey_.left_by_5x() != nullptr || by_name_.contains("consumerOrderInfo.json") ||
             by_name_.contains("timermetrics");
    for (const recovery::QueueOutcome& queue : plan_.queues) queues_[{queue.topic, queue.queue_id}] = &queue;
    std::set<std::string> leaving;
    for (const Step& step : plan_.steps)
      if (step.kind == Step::Kind::set_aside) leaving.insert(step.path);
    for (const scan::Queue& queue : survey_.queues) {
      const bool stays = std::ranges::any_of(
          queue.files.files, [&](const scan::MappedFile& file) { return !leaving.contains(file.path); });
      if (stays) directories_[{queue.topic, queue.queue_id}] = &queue;
    }
    log_is_known_ = plan_.possible() && !plan_.queues.empty();
  }

  Result<Subject> read(const ConfigFile& kind) {
    const std::string name(kind.name);
    Subject subject{kind, io::join_path(survey_.config_directory(), name), "config/" + name, {}, {}, {}};
    for (const auto& [source, suffix] : {std::pair(&subject.main, ""), std::pair(&subject.backup, ".bak"),
                                         std::pair(&subject.next, ".tmp")}) {
      const auto found = by_name_.find(name + suffix);
      if (found == by_name_.end()) {
        source->problem = "missing";
        continue;
      }
      const scan::StoreFile& file = *found->second;
      const std::string_view shown = std::string_view(file.shown);
      subject.shown = std::string(shown.substr(0, shown.size() - std::string_view(suffix).size()));
      source->file = &file;
      RMQ_TRY(bytes, io::read_all(files_, file.path, kLargest));
      source->text = std::string(as_text(bytes));
      auto loaded = format::load_config(kind, *source->text, std::nullopt);
      source->problem = std::move(loaded.json_problem);
      source->value = std::move(loaded.value);
      if (source->value && has_foreign_bytes(*source->text)) {
        source->value.reset();
        source->problem = "bytes that no broker writes";
      }
    }
    return subject;
  }

  // ---- one file

  void mend(Subject& subject) {
    remember_before(subject);
    const auto is_large = [](const Source& source) {
      return source.text && source.text->size() > json::ReadLimits{}.bytes;
    };
    if (is_large(subject.main) || is_large(subject.backup)) {
      out_.notes.push_back(fmt::format("{} is larger than is read here: left as it is", subject.shown));
      return;
    }
    if (subject.is_absent() && !is_missed(subject.kind.kind)) return;
    Draft draft = draft_of(subject);
    if (!in_rocksdb_) improve(subject, draft);
    remember_after(subject.kind.kind, draft);
    if (draft.source == ConfigSource::nothing) {
      set_all_aside(subject, draft);
    } else {
      write(subject, draft);
    }
  }

  // A broker makes topics.json with the first topic, and subscriptionGroup.json with the first group.
  [[nodiscard]] bool is_missed(ConfigFileKind kind) const {
    return is_broker_ && (kind == ConfigFileKind::topics || kind == ConfigFileKind::subscription_groups);
  }

  // It loads, and what it loads as has no table of entries: nothing that stock writes.
  [[nodiscard]] static bool says_nothing(const Subject& subject, const Source& source) {
    const std::string_view table = config_table(subject.kind.kind);
    return source.value &&
           (source.value->is_null() || (!table.empty() && source.value->find(table) == nullptr));
  }

  [[nodiscard]] static bool says_something(const Subject& subject, const Source& source) {
    return source.value && !says_nothing(subject, source);
  }

  static Draft draft_of(Subject& subject) {
    Draft draft;
    const bool others_say_more =
        says_something(subject, subject.backup) || says_something(subject, subject.next);
    if (subject.main.value && !(says_nothing(subject, subject.main) && others_say_more)) {
      draft.value = *subject.main.value;
      draft.verbatim = &subject.main;
      return draft;
    }
    if (subject.main.value) subject.main.problem = "it says nothing";
    const Source* const base = says_something(subject, subject.next)     ? &subject.next
                               : says_something(subject, subject.backup) ? &subject.backup
                                                                         : nullptr;
    if (base != nullptr) {
      draft.value = *base->value;
      draft.verbatim = base;
      draft.source = ConfigSource::backup;
      draft.told.push_back(fmt::format(
          "{}: made from its {}", subject.main.problem,
          base == &subject.next ? ".tmp, which was to take its place" : ".bak, which is one save older"));
      if (base == &subject.backup) add_newer(subject, draft);
      return draft;
    }
    draft.complete = false;
    draft.source = ConfigSource::nothing;
    draft.value = format::new_config(subject.kind);
    std::size_t entries = 0;
    for (const Source* source : {&subject.backup, &subject.main, &subject.next}) {
      if (!source->has_text()) continue;
      const ConfigSalvage salvage = salvage_config(subject.kind, *source->text);
      if (salvage.file.is_null()) continue;
      entries = std::max(entries, salvage.entries);
      merge_config(subject.kind, draft.value, salvage.file, true);
    }
    draft.told.push_back(fmt::format("{}; its .bak: {}", subject.main.problem, subject.backup.problem));
    if (entries > 0) {
      draft.source = ConfigSource::salvage;
      draft.changed = true;
      draft.told.push_back(fmt::format("{} taken from what is left", counted(entries, "entry", "entries")));
    }
    return draft;
  }

  // A file that was cut while it was written begins with newer entries than its .bak has.
  static void add_newer(const Subject& subject, Draft& draft) {
    for (const Source* source : {&subject.main, &subject.next}) {
      if (!source->has_text() || source->value) continue;
      const ConfigSalvage salvage = salvage_config(subject.kind, *source->text);
      if (salvage.file.is_null() || salvage.entries == 0) continue;
      if (merge_config(subject.kind, draft.value, salvage.file, salvage.is_cut))
        draft.change("with the newer entries that are left in it");
    }
  }

  void improve(const Subject& subject, Draft& draft) {
    switch (subject.kind.kind) {
      case ConfigFileKind::topics: mend_topics(subject, draft); break;
      case ConfigFileKind::subscription_groups: mend_groups(draft); break;
      case ConfigFileKind::consumer_offsets:
      case ConfigFileKind::lmq_consumer_offsets: mend_offsets(subject, draft); break;
      case ConfigFileKind::delay_offsets: mend_delays(draft); break;
      default: break;
    }
  }

  void write(const Subject& subject, Draft& draft) {
    if (draft.changed) stamp(subject, draft);
    const std::string text = draft.verbatim != nullptr && !draft.changed
                                 ? *draft.verbatim->text
                                 : format::write_config(subject.kind, draft.value);
    bool changes = false;
    if (!subject.main.text || *subject.main.text != text) {
      replace(subject.path, subject.shown, subject.main, text,
              fmt::format("{}", fmt::join(draft.told, "; ")));
      changes = true;
    }
    const bool was_good = draft.source == ConfigSource::unchanged;
    const bool backup_is_bad = subject.backup.is_refused() ||
                               (subject.backup.file != nullptr && !subject.backup.has_text() && !was_good);
    if (backup_is_bad) {
      const std::string why = fmt::format("{}: made from {}", subject.backup.problem, subject.kind.name);
      replace(subject.path + ".bak", subject.shown + ".bak", subject.backup, text, why);
      if (was_good) draft.told.push_back("its .bak was bad (" + why + ")");
      changes = true;
    }
    if (changes) decide(subject, draft);
  }

  void set_all_aside(const Subject& subject, Draft& draft) {
    if (!subject.main.file && !subject.backup.file) return;
    draft.told.emplace_back(
        "nothing of it is left, and nothing else proves what it said: it is set aside, and "
        "a broker begins without it");
    for (const Source* source : {&subject.main, &subject.backup}) {
      if (source->file == nullptr) continue;
      Step step;
      step.kind = Step::Kind::set_aside;
      step.path = source->file->path;
      step.shown = source->file->shown;
      step.why = "neither it nor the other of NAME and NAME.bak can be read: " + source->problem;
      out_.steps.push_back(std::move(step));
    }
    decide(subject, draft);
  }

  void decide(const Subject& subject, const Draft& draft) {
    out_.decisions.push_back({subject.shown, draft.source, fmt::format("{}", fmt::join(draft.told, "; "))});
  }

  void replace(const std::string& path, const std::string& shown, const Source& old, const std::string& text,
               std::string why) {
    Step step;
    step.kind = Step::Kind::replace;
    step.path = path;
    step.shown = shown;
    if (old.text) {
      step.to = std::ssize(*old.text);
      step.crc_before = crc32(as_bytes(*old.text));
    }
    const auto bytes = as_bytes(text);
    step.bytes.assign(bytes.begin(), bytes.end());
    step.why = std::move(why);
    // A .bak is the last to change: until all files are good it may be what saves them.
    (shown.ends_with(".bak") ? backup_steps_ : out_.steps).push_back(std::move(step));
  }

  // DataVersion.nextVersion, with the log's time for the clock's. 4.9 has a version in two files only.
  void stamp(const Subject& subject, Draft& draft) const {
    const bool in_4x = subject.kind.kind == ConfigFileKind::topics ||
                       subject.kind.kind == ConfigFileKind::subscription_groups;
    auto version = format::read_data_version(draft.value);
    if (!version && !in_4x && !is_5x_) return;
    if (version) {
      ++version->counter;
      version->timestamp = std::max(version->timestamp, plan_.last_store_timestamp);
    } else {
      version = format::DataVersion{0, plan_.last_store_timestamp, 0};
    }
    const bool had = draft.value.find("dataVersion") != nullptr;
    format::set_data_version(draft.value, *version);
    if (!had && !is_5x_) draft.value.if_object()->find("dataVersion")->if_object()->erase("stateVersion");
  }

  // ---- topics.json

  struct Seen {
    std::int32_t queues = 0;  // at least as many
    bool has_messages = false;
  };

  // Topics of which something is left. `also_empty`: also those whose messages have all expired, and those
  // of which there is a directory only.
  [[nodiscard]] std::map<std::string, Seen> seen_topics(bool also_empty) const {
    std::map<std::string, Seen> seen;
    const auto see = [&](const std::string& topic, std::int32_t queue_id, bool has_messages) {
      if (!is_listed(topic) || queue_id < 0 || queue_id >= kMostQueues) return;
      Seen& one = seen[topic];
      one.queues = std::max(one.queues, queue_id + 1);
      one.has_messages = one.has_messages || has_messages;
    };
    for (const recovery::QueueOutcome& queue : plan_.queues)
      if (queue.readable > 0 || (also_empty && queue.max_offset > 0))
        see(queue.topic, queue.queue_id, queue.readable > 0);
    if (!also_empty) return seen;
    for (const auto& [key, queue] : directories_) {
      const auto outcome = queues_.find(key);
      const bool is_ghost = outcome != queues_.end() && outcome->second->max_offset == 0;
      if (!is_ghost || seen.contains(key.first)) see(key.first, key.second, false);
    }
    // Consumers commit an offset for every queue of their share, messages or not.
    for (const format::ConsumerOffset& offset : out_.offsets_after)
      if (seen.contains(offset.topic)) see(offset.topic, offset.queue_id, false);
    return seen;
  }

  void mend_topics(const Subject& subject, Draft& draft) {
    const auto read = format::read_topics(draft.value);
    if (!read) return;
    std::map<std::string, format::TopicConfig> known;
    for (const format::TopicConfig& topic : *read) known[topic.name] = topic;
    if (draft.complete) {
      if (log_is_known_) add_unlisted(subject, draft, known);
      return;
    }
    std::vector<std::string> added;
    std::vector<std::string> enlarged;
    for (const auto& [topic, seen] : seen_topics(true)) {
      const auto old = known.find(topic);
      if (old == known.end()) {
        set_topic(draft, new_topic(topic, seen.queues));
        added.push_back(topic);
      } else if (enlarge(draft, old->second, seen.queues)) {
        enlarged.push_back(topic);
      }
    }
    tell_topics(draft, added, enlarged);
    out_.notes.push_back(
        fmt::format("{}: topics that never had a message cannot be known any more", subject.shown));
    if (!added.empty() && draft.source == ConfigSource::nothing) draft.source = ConfigSource::evidence;
  }

  // Of a table that is whole: what must have been lost from it, because messages came in later than its last
  // change.
  void add_unlisted(const Subject& subject, Draft& draft,
                    const std::map<std::string, format::TopicConfig>& known) {
    std::set<QueueKey> doubtful;
    for (const recovery::QueueOutcome& queue : plan_.queues) {
      if (!is_listed(queue.topic) || queue.readable == 0 || queue.queue_id >= kMostQueues) continue;
      const auto old = known.find(queue.topic);
      if (old == known.end() || queue.queue_id >= std::min(old->second.read_queues, old->second.write_queues))
        doubtful.emplace(queue.topic, queue.queue_id);
    }
    if (doubtful.empty()) return;
    const auto version = format::read_data_version(draft.value);
    const std::int64_t last_change = version ? version->timestamp : 0;
    const auto newest = newest_messages(files_, survey_, doubtful);
    std::map<std::string, std::int32_t> lost;
    std::set<std::string> gone;
    for (const auto& [topic, queue_id] : doubtful) {
      const auto found = newest.find({topic, queue_id});
      if (found != newest.end() && found->second > last_change) {
        std::int32_t& queues = lost[topic];
        queues = std::max(queues, queue_id + 1);
      } else if (!known.contains(topic)) {
        gone.insert(topic);
      }
    }
    std::vector<std::string> added;
    std::vector<std::string> enlarged;
    const std::map<std::string, Seen> seen = seen_topics(true);
    for (const auto& [topic, queues] : lost) {
      gone.erase(topic);
      const auto old = known.find(topic);
      if (old == known.end()) {
        const auto all = seen.find(topic);
        set_topic(draft, new_topic(topic, all == seen.end() ? queues : std::max(queues, all->second.queues)));
        added.push_back(topic);
      } else if (enlarge(draft, old->second, queues)) {
        enlarged.push_back(topic);
      }
    }
    tell_topics(draft, added, enlarged);
    out_.topics_found = std::move(added);
    if (!gone.empty()) {
      out_.notes.push_back(
          fmt::format("{} does not list {}, whose newest messages are older than its last change: "
                      "deleted, and left so",
                      subject.shown, listed({gone.begin(), gone.end()})));
    }
  }

  static void tell_topics(Draft& draft, const std::vector<std::string>& added,
                          const std::vector<std::string>& enlarged) {
    if (!added.empty())
      draft.change(fmt::format("{} added from queues and log: {}", counted(added.size(), "topic", "topics"),
                               listed(added)));
    if (!enlarged.empty())
      draft.change(fmt::format("{} with messages in more queues than it says: {}",
                               counted(enlarged.size(), "topic", "topics"), listed(enlarged)));
  }

  [[nodiscard]] format::TopicConfig new_topic(const std::string& topic, std::int32_t queues) const {
    format::TopicConfig made;
    made.name = topic;
    made.read_queues = made.write_queues = queues;
    if (compacted_.contains(topic)) made.attributes.emplace_back("cleanup.policy", "COMPACTION");
    if (plan_.batch_topics.contains(topic)) made.attributes.emplace_back(kQueueType, "BatchCQ");
    return made;
  }

  void set_topic(Draft& draft, const format::TopicConfig& topic) const {
    format::set_topic(draft.value, topic);
    Value* const table = draft.value.if_object()->find(config_table(ConfigFileKind::topics));
    if (is_5x_) set_if_absent(*table->if_object()->find(topic.name), "attributes", Value(Object()));
  }

  bool enlarge(Draft& draft, format::TopicConfig topic, std::int32_t queues) const {
    if (topic.read_queues >= queues && topic.write_queues >= queues) return false;
    topic.read_queues = std::max(topic.read_queues, queues);
    topic.write_queues = std::max(topic.write_queues, queues);
    set_topic(draft, topic);
    return true;
  }

  // ---- subscriptionGroup.json

  void mend_groups(Draft& draft) {
    if (draft.complete) return;
    const auto read = format::read_subscription_groups(draft.value);
    if (!read) return;
    std::set<std::string> known;
    for (const format::SubscriptionGroup& group : *read) known.insert(group.name);
    std::vector<std::string> added;
    for (const std::string& name : seen_groups()) {
      if (known.contains(name)) continue;
      format::SubscriptionGroup group;
      group.name = name;
      format::set_subscription_group(draft.value, group);
      if (is_5x_) add_members_of_5x(draft.value, name);
      added.push_back(name);
    }
    if (is_5x_ && (!added.empty() || draft.source == ConfigSource::salvage))
      set_if_absent(draft.value, "forbiddenTable", Value(Object()));
    if (added.empty()) return;
    draft.change(fmt::format("{} added from offsets and retry topics, with stock's defaults: {}",
                             counted(added.size(), "group", "groups"), listed(added)));
    if (draft.source == ConfigSource::nothing) draft.source = ConfigSource::evidence;
  }

  // SubscriptionGroupConfig of 5.x.
  static void add_members_of_5x(Value& file, const std::string& name) {
    Value* const table = file.if_object()->find(config_table(ConfigFileKind::subscription_groups));
    Value& bean = *table->if_object()->find(name);
    Object policy;
    policy.set("type", Value("CUSTOMIZED"));
    set_if_absent(bean, "attributes", Value(Object()));
    set_if_absent(bean, "consumeMessageOrderly", Value(false));
    set_if_absent(bean, "consumeTimeoutMinute", Value(std::int32_t{15}));
    set_if_absent(bean, "groupRetryPolicy", Value(std::move(policy)));
    set_if_absent(bean, "groupSysFlag", Value(std::int32_t{0}));
  }

  [[nodiscard]] std::set<std::string> seen_groups() const {
    std::set<std::string> groups;
    const auto see = [&](std::string_view group) {
      if (!group.empty() && !is_predefined_group(group)) groups.emplace(group);
    };
    for (const format::ConsumerOffset& offset : out_.offsets_after) see(offset.group);
    const std::set<std::string> committed = groups;
    const auto see_topic = [&](std::string_view topic) {
      const bool retry = topic.starts_with(kRetryPrefix);
      if (!retry && !topic.starts_with(kDlqPrefix)) return;
      const std::string_view rest = topic.substr(retry ? kRetryPrefix.size() : kDlqPrefix.size());
      // KeyBuilder.buildPopRetryTopic: group+topic, before that group_topic.
      const std::size_t plus = rest.find('+');
      const bool of_pop = std::ranges::any_of(committed, [&](const std::string& group) {
        return rest.size() > group.size() + 1 && rest.starts_with(group) && rest[group.size()] == '_' &&
               topics_.contains(std::string(rest.substr(group.size() + 1)));
      });
      if (!of_pop) see(rest.substr(0, plus));
    };
    for (const std::string& topic : topics_) see_topic(topic);
    for (const auto& [key, queue] : queues_) see_topic(key.first);
    return groups;
  }

  // ---- consumerOffset.json, lmqConsumerOffset.json

  // Behind the last message that the queue will have; nothing where that is not known.
  [[nodiscard]] std::optional<std::int64_t> end_of(std::string_view topic, std::int32_t queue_id) const {
    if (!log_is_known_) return std::nullopt;
    const QueueKey key(topic, queue_id);
    if (const auto found = queues_.find(key); found != queues_.end()) return found->second->max_offset;
    if (const auto found = directories_.find(key); found != directories_.end()) {
      // No unit and no record: 0, unless its files say that it has been further.
      const auto& all = found->second->files.files;
      if (std::ranges::any_of(all, [](const scan::MappedFile& file) { return file.start != 0; }))
        return std::nullopt;
      return 0;
    }
    // A deleted topic's offsets stay behind in 4.9; no consumer asks for them.
    const auto first = queues_.lower_bound({key.first, std::numeric_limits<std::int32_t>::min()});
    for (auto at = first; at != queues_.end() && at->first.first == topic; ++at)
      if (at->second->max_offset > 0) return 0;
    return std::nullopt;
  }

  struct Corrections {
    std::size_t clamped = 0;
    std::size_t dropped = 0;
    [[nodiscard]] bool any() const { return clamped + dropped > 0; }
  };

  // One {queue: offset}. `queue_of` names the queue of a key.
  template <class QueueOf>
  void correct(Object& offsets, Corrections& corrections, QueueOf&& queue_of) const {
    std::vector<Member> kept;
    bool changed = false;
    for (const Member& member : offsets.members()) {
      const auto key = to_number<std::int32_t>(member.name);
      const auto offset = member.value.as_int64();
      if (!key || !offset || *key < 0 || *offset < 0) {
        ++corrections.dropped;
        changed = true;
        continue;
      }
      const auto [topic, queue_id] = queue_of(*key);
      const auto end = end_of(topic, queue_id);
      kept.push_back(member);
      if (!end || *offset <= *end) continue;
      kept.back().value = Value(*end);
      ++corrections.clamped;
      changed = true;
    }
    if (changed) offsets = Object::from_members(std::move(kept));
  }

  static void tell(Draft& draft, const Corrections& corrections) {
    if (corrections.clamped > 0)
      draft.change(fmt::format("{} beyond the end of the queue moved back to it",
                               counted(corrections.clamped, "offset", "offsets")));
    if (corrections.dropped > 0)
      draft.change(fmt::format("{} left out", counted(corrections.dropped, "entry that is no offset",
                                                      "entries that are no offsets")));
  }

  void mend_offsets(const Subject& subject, Draft& draft) {
    Corrections corrections;
    if (Value* table = table_of(draft.value, config_table(subject.kind.kind))) {
      std::vector<Member> members = table->if_object()->members();
      for (Member& member : members) {
        Object* const offsets = member.value.if_object();
        if (offsets == nullptr) continue;
        const std::string topic = member.name.substr(0, member.name.find('@'));
        correct(*offsets, corrections, [&](std::int32_t queue_id) { return std::pair(topic, queue_id); });
      }
      if (corrections.any()) *table = Value(Object::from_members(std::move(members)));
    }
    if (Value* table = table_of(draft.value, kLmqTable)) {
      std::vector<Member> members = table->if_object()->members();
      Corrections of_lmq;
      std::erase_if(members, [&](Member& member) {
        const auto offset = member.value.as_int64();
        if (!offset || *offset < 0) {
          ++of_lmq.dropped;
          return true;
        }
        const auto end = end_of(member.name.substr(0, member.name.find('@')), 0);
        if (end && *offset > *end) {
          member.value = Value(*end);
          ++of_lmq.clamped;
        }
        return false;
      });
      if (of_lmq.any()) *table = Value(Object::from_members(std::move(members)));
      corrections.clamped += of_lmq.clamped;
      corrections.dropped += of_lmq.dropped;
    }
    tell(draft, corrections);
    if (draft.source == ConfigSource::salvage && is_5x_) add_group_topic_map(draft.value);
    if (draft.complete) return;
    out_.offsets_lost = true;
    out_.notes.push_back(fmt::format(
        "{}: groups that it has no offset of any more begin where their consumeFromWhere says: at the first "
        "message of a queue that begins at 0 and is small enough for memory, else at its end by default",
        subject.shown));
  }

  // ConsumerOffsetManager.getGroupTopicMap: written by 5.x, never read.
  static void add_group_topic_map(Value& file) {
    const auto offsets = format::read_consumer_offsets(file);
    if (!offsets) return;
    set_sorted(file, "groupTopicMap", Value(Object()));
    for (const format::ConsumerOffset& offset : *offsets) format::set_consumer_offset(file, offset);
  }

  static Value* table_of(Value& file, std::string_view table) {
    Value* const found = file.if_object() == nullptr ? nullptr : file.if_object()->find(table);
    return found != nullptr && found->if_object() != nullptr ? found : nullptr;
  }

  // ---- delayOffset.json

  void mend_delays(Draft& draft) {
    Corrections corrections;
    if (Value* table = table_of(draft.value, config_table(ConfigFileKind::delay_offsets))) {
      Object offsets = *table->if_object();
      correct(offsets, corrections,
              [](std::int32_t level) { return std::pair(std::string(kScheduleTopic), level - 1); });
      if (corrections.any()) *table = Value(std::move(offsets));
    }
    tell(draft, corrections);
    const bool has_delayed = std::ranges::any_of(plan_.queues, [](const recovery::QueueOutcome& queue) {
      return queue.topic == kScheduleTopic && queue.readable > 0;
    });
    if (draft.complete || !has_delayed) return;
    out_.delays_lost = true;
    out_.notes.emplace_back(
        "config/delayOffset.json: delay levels that it has no offset of any more are delivered again from "
        "their "
        "first message");
  }

  // ---- what consumers had and will have

  void remember_before(const Subject& subject) {
    const auto loaded = format::load_config(subject.kind, subject.main.text, subject.backup.text);
    if (loaded.value) remember(subject.kind.kind, *loaded.value, out_.offsets_before, out_.delays_before);
  }

  void remember_after(ConfigFileKind kind, const Draft& draft) {
    if (draft.source == ConfigSource::nothing) return;
    remember(kind, draft.value, out_.offsets_after, out_.delays_after);
    if (kind == ConfigFileKind::topics) {
      if (const auto topics = format::read_topics(draft.value))
        for (const format::TopicConfig& topic : *topics) topics_.insert(topic.name);
    } else if (kind == ConfigFileKind::subscription_groups) {
      if (const auto groups = format::read_subscription_groups(draft.value))
        for (const format::SubscriptionGroup& group : *groups) out_.groups.push_back(group.name);
    }
  }

  static void remember(ConfigFileKind kind, const Value& value, std::vector<format::ConsumerOffset>& offsets,
                       std::vector<format::DelayOffset>& delays) {
    if (kind == ConfigFileKind::consumer_offsets || kind == ConfigFileKind::lmq_consumer_offsets) {
      if (auto read = format::read_consumer_offsets(value))
        std::ranges::move(*read, std::back_inserter(offsets));
    } else if (kind == ConfigFileKind::delay_offsets) {
      if (auto read = format::read_delay_offsets(value)) delays = std::move(*read);
    }
  }

  static constexpr std::int64_t kLargest = std::int64_t{512} << 20;
  // A topic has some tens of queues; BenchmarkTest, the largest that stock makes, has 1024. A queue id beyond
  // this is no reason to have clients ask for so many.
  static constexpr std::int32_t kMostQueues = 1 << 16;

  const io::ReadFileSystem& files_;
  const scan::StoreSurvey& survey_;
  const recovery::Plan& plan_;
  ConfigMend out_;
  std::vector<Step> backup_steps_;
  std::map<std::string, const scan::StoreFile*> by_name_;
  std::map<QueueKey, const recovery::QueueOutcome*> queues_;
  std::map<QueueKey, const scan::Queue*> directories_;  // that stay
  std::set<std::string> compacted_;                     // topics of which the log is compacted
  std::set<std::string> topics_;                        // topics.json afterwards
  bool in_rocksdb_ = false;  // topics, groups and offsets are in a RocksDB below config/
  bool is_broker_ = false;   // config/ holds files of a broker, and not of a store alone
  bool is_5x_ = false;
  bool log_is_known_ = false;  // the plan tells what the queues will hold
};

}  // namespace

std::string_view to_string(ConfigSource source) {
  switch (source) {
    case ConfigSource::unchanged: return "unchanged";
    case ConfigSource::backup: return "backup";
    case ConfigSource::salvage: return "salvage";
    case ConfigSource::evidence: return "evidence";
    case ConfigSource::nothing: return "nothing";
  }
  return "?";
}

Result<ConfigMend> mend_config(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                               const recovery::Plan& plan) {
  return ConfigMender(files, survey, plan).run();
}

}  // namespace rmq::repair
