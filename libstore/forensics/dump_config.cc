// rmq-dump config: the broker's state files beside their .bak, and what those that matter for messages say.
#include <fmt/format.h>

#include <iterator>

#include "libstore/base/saturate.h"
#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/dump.h"
#include "libstore/forensics/dump_json.h"
#include "libstore/forensics/dump_output.h"
#include "libstore/forensics/dump_parts.h"
#include "libstore/forensics/dump_queue_table.h"
#include "libstore/forensics/dump_text.h"
#include "libstore/forensics/transaction_progress.h"
#include "libstore/format/config_files.h"
#include "libstore/format/tags_code.h"
#include "libstore/rocks/config_tables.h"

namespace rmq::forensics {
namespace {

constexpr std::int64_t kConfigFileLimit = 64 << 20;

class ConfigDump {
 public:
  ConfigDump(const DumpInput& input, const DumpOptions& options, DumpSummary& summary, ByteSink& out)
      : input_(input),
        summary_(summary),
        output_(options.filter, summary, out),
        to_json_(options.format == OutputFormat::json),
        queues_(input.files, input.survey),
        time_(options.utc),
        parts_(input, options, summary, output_) {}

  void run() {
    const auto listed = input_.files.list(input_.survey.config_directory());
    if (!listed && listed.error().code != ErrorCode::not_found)
      summary_.faults.push_back(listed.error().message());
    for (const format::ConfigFile& file : format::config_files()) dump(file);
    parts_.timer_progress(queues_);
    for (const rocks::ConfigTable& table : rocks::read_config_tables(input_.files, input_.survey))
      dump(table);
    transactions();
    output_.finish();
    for (std::string& fault : queues_.faults()) summary_.faults.push_back(std::move(fault));
  }

 private:
  [[nodiscard]] const scan::StoreFile* find(const std::string& name) const {
    for (const scan::StoreFile& file : input_.survey.config_files) {
      if (file.name == name) return &file;
    }
    return nullptr;
  }

  std::optional<std::string> read(const scan::StoreFile* file) {
    if (file == nullptr) return std::nullopt;
    summary_.bytes_expected += file->size;
    const auto bytes = io::read_all(input_.files, file->path, kConfigFileLimit);
    if (!bytes) {
      summary_.faults.push_back(bytes.error().message());
      return std::nullopt;
    }
    summary_.bytes_checked += static_cast<std::int64_t>(bytes->size());
    return std::string(as_text(*bytes));
  }

  void dump(const format::ConfigFile& file) {
    const std::string name(file.name);
    const auto text = read(find(name));
    const auto bak = read(find(name + ".bak"));
    if (!text && !bak) return;
    const format::LoadedConfig loaded = format::load_config(file, text, bak);
    // The .bak by itself: RocketMQ looks at it only when it has to, people want to know before.
    const format::LoadedConfig alone = format::load_config(file, std::nullopt, bak);
    print_file(file, text, bak, loaded, alone);
    if (!loaded.succeeds || (loaded.from != format::LoadedFrom::json && text)) summary_.found = false;
    if (!loaded.value) return;
    contents(file.kind, *loaded.value);
  }

  void contents(format::ConfigFileKind kind, const json::Value& value) {
    switch (kind) {
      case format::ConfigFileKind::topics: topics(value); break;
      case format::ConfigFileKind::subscription_groups: groups(value); break;
      case format::ConfigFileKind::consumer_offsets: offsets(value); break;
      case format::ConfigFileKind::delay_offsets: delays(value); break;
      case format::ConfigFileKind::timer_metrics: parts_.timer_metrics(value); break;
      default: break;
    }
  }

  void dump(const rocks::ConfigTable& table) {
    summary_.bytes_expected += table.bytes;
    if (table.fault.empty()) summary_.bytes_checked += table.bytes;
    if (!table.fault.empty() || table.strange_entries > 0) summary_.found = false;
    const std::string_view instead_of = format::config_file(table.kind).name;
    if (to_json_) {
      begin_line(json_, "configDatabase");
      json_.field("database", table.database);
      json_.field("insteadOf", instead_of);
      json_.field("size", table.bytes);
      if (!table.fault.empty()) json_.field("problem", table.fault);
      if (table.strange_entries > 0) json_.field("strangeEntries", table.strange_entries);
      version_field(table.version);
      end_json();
    } else {
      std::string line = fmt::format("{:<26} {:>10}   RocksDB, instead of {}   ", table.database,
                                     size_text(table.bytes), instead_of);
      append_visible(line, table.fault.empty() ? "good" : table.fault);
      if (table.strange_entries > 0)
        fmt::format_to(std::back_inserter(line), "; {} entries are none", table.strange_entries);
      output_.line(line + '\n', false);
    }
    if (table.value) contents(table.kind, *table.value);
  }

  void version_field(const std::optional<format::DataVersion>& version) {
    if (!version) return;
    json_.key("dataVersion");
    json_.begin_object();
    json_.field("stateVersion", version->state_version);
    json_.field("timestamp", version->timestamp);
    json_.field("counter", version->counter);
    json_.end_object();
  }

  void print_file(const format::ConfigFile& file, const std::optional<std::string>& text,
                  const std::optional<std::string>& bak, const format::LoadedConfig& loaded,
                  const format::LoadedConfig& alone) {
    const bool bak_good = bak && alone.from == format::LoadedFrom::bak;
    const auto version = loaded.value ? format::read_data_version(*loaded.value) : std::nullopt;
    if (to_json_) {
      begin_line(json_, "configFile");
      json_.field("file", file.name);
      json_.field("size", text ? static_cast<std::int64_t>(text->size()) : -1);
      json_.field("bakSize", bak ? static_cast<std::int64_t>(bak->size()) : -1);
      json_.field("loadedFrom", format::to_string(loaded.from));
      json_.field("loads", loaded.succeeds);
      if (!loaded.json_problem.empty()) json_.field("problem", loaded.json_problem);
      json_.field("bakGood", bak_good);
      if (bak && !bak_good) json_.field("bakProblem", alone.bak_problem);
      version_field(version);
      end_json();
      return;
    }
    std::string line;
    fmt::format_to(std::back_inserter(line), "{:<26} {:>10}   .bak {:>10}   ", file.name,
                   text ? size_text(static_cast<std::int64_t>(text->size())) : "none",
                   bak ? size_text(static_cast<std::int64_t>(bak->size())) : "none");
    if (loaded.from == format::LoadedFrom::json) {
      line += bak && !bak_good ? "good, but the .bak is not: " + alone.bak_problem : "good";
    } else {
      line += "the file is not good (" + loaded.json_problem + "); ";
      line += loaded.from == format::LoadedFrom::bak ? "a broker takes the .bak"
              : loaded.succeeds                      ? "a broker starts with nothing"
                                                     : "and neither is the .bak (" + loaded.bak_problem + ")";
      if (!loaded.succeeds && file.stops_broker) line += ": a broker does not start";
    }
    line += '\n';
    std::string visible;
    append_visible(visible, line.substr(0, line.size() - 1));
    output_.line(visible + '\n', false);
  }

  void topics(const json::Value& value) {
    const auto read = format::read_topics(value);
    if (!read) return unusable("topics.json", read.error().message());
    for (const format::TopicConfig& topic : *read) {
      if (to_json_) {
        begin_line(json_, "topic");
        json_.field("topicName", topic.name);
        json_.field("readQueueNums", topic.read_queues);
        json_.field("writeQueueNums", topic.write_queues);
        json_.field("perm", topic.perm);
        json_.field("topicFilterType", topic.filter_type);
        json_.field("topicSysFlag", topic.sys_flag);
        json_.field("order", topic.order);
        json_.key("attributes");
        json_.begin_object();
        for (const auto& [name, content] : topic.attributes) {
          json_.any_key(name);
          json_.value(content);
        }
        json_.end_object();
        end_json();
        continue;
      }
      std::string line = "    ";
      append_visible(line, topic.name);
      fmt::format_to(std::back_inserter(line), "  {} read, {} write queues, perm {}{}", topic.read_queues,
                     topic.write_queues, topic.perm, topic.order ? ", ordered" : "");
      for (const auto& [name, content] : topic.attributes) append_visible(line, "  " + name + "=" + content);
      output_.line(line + '\n');
    }
  }

  void groups(const json::Value& value) {
    const auto read = format::read_subscription_groups(value);
    if (!read) return unusable("subscriptionGroup.json", read.error().message());
    for (const format::SubscriptionGroup& group : *read) {
      if (to_json_) {
        begin_line(json_, "group");
        json_.field("groupName", group.name);
        json_.field("consumeEnable", group.consume_enable);
        json_.field("consumeBroadcastEnable", group.consume_broadcast_enable);
        json_.field("retryQueueNums", group.retry_queues);
        json_.field("retryMaxTimes", group.retry_max_times);
        end_json();
        continue;
      }
      std::string line = "    ";
      append_visible(line, group.name);
      fmt::format_to(std::back_inserter(line), "  {} retries{}\n", group.retry_max_times,
                     group.consume_enable ? "" : ", may not consume");
      output_.line(line);
    }
  }

  void offsets(const json::Value& value) {
    const auto read = format::read_consumer_offsets(value);
    if (!read) return unusable("consumerOffset.json", read.error().message());
    for (const format::ConsumerOffset& offset : *read) {
      const auto bounds = bounds_of(offset.topic, offset.queue_id);
      if (to_json_) {
        begin_line(json_, "consumerOffset");
        json_.field("topic", offset.topic);
        json_.field("group", offset.group);
        json_.field("queueId", offset.queue_id);
        json_.field("offset", offset.offset);
        lag_fields(offset.offset, bounds);
        end_json();
        continue;
      }
      std::string line = "    ";
      append_visible(line, offset.topic + "@" + offset.group);
      fmt::format_to(std::back_inserter(line), "  queue {}  offset {}", offset.queue_id, offset.offset);
      lag_text(line, offset.offset, bounds);
      output_.line(line);
    }
  }

  void delays(const json::Value& value) {
    const auto read = format::read_delay_offsets(value);
    if (!read) return unusable("delayOffset.json", read.error().message());
    for (const format::DelayOffset& delay : *read) {
      const auto bounds = bounds_of(format::kScheduleTopic, delay.level - 1);
      if (to_json_) {
        begin_line(json_, "delayOffset");
        json_.field("level", delay.level);
        json_.field("offset", delay.offset);
        lag_fields(delay.offset, bounds);
        end_json();
        continue;
      }
      std::string line = fmt::format("    level {:>2}  offset {}", delay.level, delay.offset);
      lag_text(line, delay.offset, bounds);
      output_.line(line);
    }
  }

  void transactions() {
    const ConsumerProgress progress = read_consumer_progress(input_.files, input_.survey);
    for (const TransactionProgress& queue :
         read_transaction_progress(input_.files, input_.survey, queues_, progress,
                                   [this] { return input_.observer.cancelled(); })) {
      if (to_json_) {
        begin_line(json_, "transactions");
        json_.field("queueId", queue.queue_id);
        json_.field("minOffset", queue.min_offset);
        json_.field("maxOffset", queue.max_offset);
        json_.field("checkedTo", queue.checked_to);
        json_.field("decided", queue.decided);
        json_.field("pending", queue.pending);
        if (queue.pending > 0) json_.field("firstPending", queue.first_pending);
        if (queue.first_pending_time) json_.field("firstPendingTimestamp", *queue.first_pending_time);
        end_json();
        continue;
      }
      std::string line =
          fmt::format("transactions  queue {}  half messages {} to {}, checked to {}, {} pending",
                      queue.queue_id, queue.min_offset, queue.max_offset, queue.checked_to, queue.pending);
      if (queue.pending > 0)
        fmt::format_to(std::back_inserter(line), ", the first at {}", queue.first_pending);
      if (queue.first_pending_time) line += " of " + time_.text(*queue.first_pending_time);
      output_.line(line + '\n');
    }
  }

  std::optional<QueueBounds> bounds_of(std::string_view topic, std::int32_t queue_id) {
    const auto queue = queues_.find(topic, queue_id);
    if (!queue) return std::nullopt;
    return queues_.bounds(*queue);
  }

  void lag_fields(std::int64_t offset, const std::optional<QueueBounds>& bounds) {
    if (!bounds) return;
    json_.field("minOffset", bounds->min_offset);
    json_.field("maxOffset", bounds->max_offset);
    json_.field("lag", saturated_sub(bounds->max_offset, offset));
  }

  static void lag_text(std::string& line, std::int64_t offset, const std::optional<QueueBounds>& bounds) {
    if (!bounds) {
      line += "  (no such queue)\n";
      return;
    }
    fmt::format_to(std::back_inserter(line), "  lag {} of {} to {}",
                   saturated_sub(bounds->max_offset, offset), bounds->min_offset, bounds->max_offset);
    if (offset > bounds->max_offset) line += "  [beyond the queue's end]";
    if (offset < bounds->min_offset) line += "  [before the queue's start]";
    line += '\n';
  }

  void unusable(std::string_view file, const std::string& why) {
    summary_.found = false;
    summary_.notes.push_back(std::string(file) + " does not hold what it should: " + why);
  }

  void end_json() {
    end_line(json_);
    output_.line(json_.text());
    json_.clear();
  }

  const DumpInput& input_;
  DumpSummary& summary_;
  LineOutput output_;
  const bool to_json_;
  DumpQueueTable queues_;
  TimeText time_;
  PartsDump parts_;
  json::JsonLine json_;
};

}  // namespace

Result<DumpSummary> dump_config(const DumpInput& input, const DumpOptions& options, ByteSink& out) {
  DumpSummary summary;
  ConfigDump(input, options, summary, out).run();
  return summary;
}

}  // namespace rmq::forensics
