// rmq-dump key: what a key query of a broker finds, and what stands between.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "libstore/forensics/dump.h"
#include "libstore/forensics/dump_index_lookup.h"
#include "libstore/forensics/dump_json.h"
#include "libstore/forensics/dump_output.h"
#include "libstore/forensics/dump_text.h"
#include "libstore/format/message_properties.h"

namespace rmq::forensics {
namespace {

bool has_key(const format::MessageView& message, std::string_view topic, std::string_view key) {
  if (message.topic != topic) return false;
  const format::StoreProperties found = format::store_properties(message.properties);
  bool any = found.uniq_key && *found.uniq_key == key;
  if (found.keys) format::for_each_key(*found.keys, [&](std::string_view one) { any = any || one == key; });
  return any;
}

class KeyDump {
 public:
  KeyDump(const DumpInput& input, const DumpOptions& options, DumpSummary& summary, ByteSink& out)
      : input_(input),
        options_(options),
        summary_(summary),
        output_(options.filter, summary, out),
        records_(input.files, input.survey) {
    if (options.join && !input.survey.queues.empty()) queues_.emplace(input.files, input.survey);
  }

  void run(const std::set<std::string>& topics) {
    IndexLookup index(input_.files, input_.survey, summary_);
    if (options_.format == OutputFormat::text) output_.write(RecordText::header());
    for (const std::string& topic : topics) {
      for (const IndexHit& hit :
           index.find(topic, options_.key, {options_.filter.since_ms, options_.filter.until_ms})) {
        if (input_.observer.cancelled() || !show(topic, hit)) {
          summary_.stopped = true;
          output_.finish();
          return;
        }
      }
    }
    output_.finish();
    summary_.found = matches_ > 0;
    if (matches_ == 0) {
      summary_.notes.push_back(
          input_.survey.index_files.empty()
              ? std::string("this store has no index; rmq-dump log --key looks at every record instead")
              : fmt::format("no message with the key '{}' in the index; rmq-dump log --key looks at every record instead",
                            options_.key));
    }
  }

 private:
  bool show(const std::string& topic, const IndexHit& hit) {
    const auto record = records_.read(hit.phy_offset);
    const bool match = record && has_key(record->message, topic, options_.key);
    if (match) {
      // A message whose UNIQ_KEY is among its keys stands in the index twice.
      if (!shown_.insert(hit.phy_offset).second) return true;
      ++matches_;
      summary_.bytes_checked += record->message.total_size;
      summary_.bytes_expected += record->message.total_size;
    }
    DumpQueueTable* queues = queues_ ? &*queues_ : nullptr;
    if (options_.format == OutputFormat::json) {
      json::JsonLine json;
      begin_line(json, match ? "record" : "keyMiss");
      json.field("indexFile", hit.file);
      json.field("indexEntry", hit.number);
      if (match) {
        RecordJson(options_, queues).fields(json, *record);
      } else {
        json.field("phyOffset", hit.phy_offset);
        json.field("topicAsked", topic);
        json.field("why", record ? "hash collision" : "no record lies there");
        if (record) json.field("topic", record->message.topic);
      }
      end_line(json);
      return output_.line(json.text(), match);
    }
    std::string text;
    if (match) {
      RecordText(options_, queues).line(text, *record);
    } else {
      text = fmt::format("{:>14} -- {}: entry {} of {} has the hash of '", hit.phy_offset,
                         record ? "collision" : "no record lies there", hit.number, hit.file);
      append_visible(text, topic + '#' + options_.key);
      text += "'\n";
    }
    return output_.line(text, match);
  }

  const DumpInput& input_;
  const DumpOptions& options_;
  DumpSummary& summary_;
  LineOutput output_;
  RecordReader records_;
  std::optional<DumpQueueTable> queues_;
  std::set<std::int64_t> shown_;
  std::int64_t matches_ = 0;
};

}  // namespace

Result<DumpSummary> dump_key(const DumpInput& input, const DumpOptions& options, ByteSink& out) {
  DumpSummary summary;
  TopicMatcher matcher(options.filter);
  std::set<std::string> topics;
  for (const scan::Queue& queue : input.survey.queues) {
    if (matcher.matches(queue.topic)) topics.insert(queue.topic);
  }
  // A topic named in full is asked for even where it has no queue (half messages, deleted topics); with nothing in the
  // index either it is a wrong name.
  for (const std::string& topic : options.filter.topics) {
    if (topic.find_first_of("*?[\\") != std::string::npos || topics.contains(topic)) continue;
    DumpSummary looked;
    const bool any = !IndexLookup(input.files, input.survey, looked).find(topic, options.key, {}).empty();
    if (!any && looked.faults.empty()) continue;
    topics.insert(topic);
    (void)matcher.matches(topic);
  }
  if (auto error = unmatched_patterns_error(matcher, options.strict_names)) return *std::move(error);
  KeyDump(input, options, summary, out).run(topics);
  return summary;
}

}  // namespace rmq::forensics
