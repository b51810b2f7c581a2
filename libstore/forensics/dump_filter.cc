#include "libstore/forensics/dump_filter.h"

#include <algorithm>
#include <array>
#include <boost/regex.hpp>

#include "libstore/bytes/big_endian.h"
#include "libstore/codec/body_codec.h"
#include "libstore/format/message_properties.h"

namespace rmq::forensics {
namespace {

// Beyond this many topics a selector forgets what it knew: names come from the data.
constexpr std::size_t kKnownTopicsLimit = 65536;

bool in_set(std::string_view set, char c) {
  const bool negated = !set.empty() && (set.front() == '!' || set.front() == '^');
  if (negated) set.remove_prefix(1);
  bool found = false;
  for (std::size_t i = 0; i < set.size(); ++i) {
    if (i + 2 < set.size() && set[i + 1] == '-') {
      found = found || (set[i] <= c && c <= set[i + 2]);
      i += 2;
    } else {
      found = found || set[i] == c;
    }
  }
  return found != negated;
}

// The one-character element at the start of `pattern`: whether it matches `c`, and how long it is.
std::pair<bool, std::size_t> match_one(std::string_view pattern, char c) {
  if (pattern.front() == '?') return {true, 1};
  if (pattern.front() == '\\' && pattern.size() > 1) return {pattern[1] == c, 2};
  if (pattern.front() == '[') {
    const std::size_t end = pattern.find(']', 2);
    if (end != std::string_view::npos) return {in_set(pattern.substr(1, end - 1), c), end + 1};
  }
  return {pattern.front() == c, 1};
}

}  // namespace

bool RecordFilter::selects_records() const {
  return !topics.empty() || !excluded_topics.empty() || !queue_ids.empty() || no_system || since_ms ||
         until_ms || queue_from || queue_to || !keys.empty() || !message_ids.empty() || !tags.empty() ||
         !properties.empty() || body_pattern;
}

bool matches_glob(std::string_view pattern, std::string_view text) {
  std::optional<std::pair<std::string_view, std::string_view>> star;  // what to try again: pattern, text
  while (true) {
    if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(1);
      star = {pattern, text};
      continue;
    }
    if (!text.empty() && !pattern.empty()) {
      const auto [matched, length] = match_one(pattern, text.front());
      if (matched) {
        pattern.remove_prefix(length);
        text.remove_prefix(1);
        continue;
      }
    }
    if (text.empty() && pattern.empty()) return true;
    if (!star || star->second.empty()) return false;
    star->second.remove_prefix(1);
    pattern = star->first;
    text = star->second;
  }
}

bool is_system_topic(std::string_view topic) {
  static constexpr std::array<std::string_view, 8> kNames{
      "TBW102",           "SCHEDULE_TOPIC_XXXX",        "BenchmarkTest",
      "SELF_TEST_TOPIC",  "OFFSET_MOVED_EVENT",         "TRANS_CHECK_MAX_TIME_TOPIC",
      "CHECKPOINT_TOPIC", "DefaultHeartBeatSyncerTopic"};
  return topic.starts_with("rmq_sys_") || topic.starts_with("RMQ_SYS_") ||
         std::ranges::find(kNames, topic) != kNames.end();
}

TopicMatcher::TopicMatcher(const RecordFilter& filter)
    : filter_(filter),
      wanted_seen_(filter.topics.size()),
      excluded_seen_(filter.excluded_topics.size()),
      queues_seen_(filter.queue_ids.size()) {}

bool TopicMatcher::matches(std::string_view topic) {
  bool wanted = filter_.topics.empty();
  for (std::size_t i = 0; i < filter_.topics.size(); ++i) {
    if (!matches_glob(filter_.topics[i], topic)) continue;
    wanted_seen_[i].store(true, std::memory_order_relaxed);
    wanted = true;
  }
  bool excluded = false;
  for (std::size_t i = 0; i < filter_.excluded_topics.size(); ++i) {
    if (!matches_glob(filter_.excluded_topics[i], topic)) continue;
    excluded_seen_[i].store(true, std::memory_order_relaxed);
    excluded = true;
  }
  return wanted && !excluded && !(filter_.no_system && is_system_topic(topic));
}

bool TopicMatcher::matches_queue(std::int64_t queue_id) {
  bool any = filter_.queue_ids.empty();
  for (std::size_t i = 0; i < filter_.queue_ids.size(); ++i) {
    const NumberRange& range = filter_.queue_ids[i];
    if (queue_id < range.first || queue_id > range.last) continue;
    if (!queues_seen_[i].load(std::memory_order_relaxed)) queues_seen_[i].store(true, std::memory_order_relaxed);
    any = true;
  }
  return any;
}

std::vector<NumberRange> TopicMatcher::unmatched_queues() const {
  std::vector<NumberRange> ranges;
  for (std::size_t i = 0; i < queues_seen_.size(); ++i) {
    if (!queues_seen_[i].load(std::memory_order_relaxed)) ranges.push_back(filter_.queue_ids[i]);
  }
  return ranges;
}

std::vector<std::string> TopicMatcher::unmatched() const {
  std::vector<std::string> patterns;
  for (std::size_t i = 0; i < wanted_seen_.size(); ++i) {
    if (!wanted_seen_[i].load(std::memory_order_relaxed)) patterns.push_back(filter_.topics[i]);
  }
  for (std::size_t i = 0; i < excluded_seen_.size(); ++i) {
    if (!excluded_seen_[i].load(std::memory_order_relaxed)) patterns.push_back(filter_.excluded_topics[i]);
  }
  return patterns;
}

std::optional<Error> unmatched_patterns_error(const TopicMatcher& topics, bool strict) {
  if (!strict) return std::nullopt;
  std::string list;
  for (const std::string& pattern : topics.unmatched()) list += (list.empty() ? "'" : ", '") + pattern + "'";
  if (!list.empty()) {
    return wrong_use("no topic in this store matches " + list +
                     "; check the name (rmq-dump state lists the queues), or add --no-strict-names");
  }
  for (const NumberRange& range : topics.unmatched_queues()) {
    list += (list.empty() ? "" : ",") + std::to_string(range.first);
    if (range.last != range.first) list += '-' + std::to_string(range.last);
  }
  if (list.empty()) return std::nullopt;
  return wrong_use("no topic that was asked for has a queue " + list +
                   "; check the number (rmq-dump state lists the queues), or add --no-strict-names");
}

struct RecordSelector::Pattern {
  boost::regex expression;
};

RecordSelector::RecordSelector(const RecordFilter& filter, TopicMatcher& topics)
    : filter_(&filter),
      topics_(&topics),
      content_(!filter.keys.empty() || !filter.message_ids.empty() || !filter.tags.empty() ||
               !filter.properties.empty()) {}
RecordSelector::RecordSelector(RecordSelector&&) noexcept = default;
RecordSelector::~RecordSelector() = default;

Result<RecordSelector> RecordSelector::make(const RecordFilter& filter, TopicMatcher& topics) {
  RecordSelector selector(filter, topics);
  if (filter.body_pattern) {
    try {
      selector.pattern_ = std::make_unique<Pattern>(Pattern{boost::regex(*filter.body_pattern)});
    } catch (const boost::regex_error& error) {
      const std::string what = error.what();  // a sentence, two spaces, the expression again
      return wrong_use("--body-grep '" + *filter.body_pattern +
                       "' is no regular expression: " + what.substr(0, what.find("  ")));
    }
  }
  return selector;
}

bool RecordSelector::topic_selected(std::string_view topic) {
  if (topic == last_topic_ && !known_topics_.empty()) return last_selected_;
  if (known_topics_.size() > kKnownTopicsLimit) known_topics_.clear();
  std::string name(topic);
  auto known = known_topics_.find(name);
  if (known == known_topics_.end()) known = known_topics_.emplace(name, topics_->matches(topic)).first;
  last_topic_ = std::move(name);
  last_selected_ = known->second;
  return last_selected_;
}

bool RecordSelector::selects(const format::MessageView& message) {
  const RecordFilter& f = *filter_;
  // Names come first: whether one occurs in the store must not depend on the other conditions.
  if ((!f.topics.empty() || !f.excluded_topics.empty() || f.no_system) && !topic_selected(message.topic)) return false;
  if (!f.queue_ids.empty() && !topics_->matches_queue(message.queue_id)) return false;
  if (f.since_ms && message.store_timestamp < *f.since_ms) return false;
  if (f.until_ms && message.store_timestamp >= *f.until_ms) return false;
  if (f.queue_from && message.queue_offset < *f.queue_from) return false;
  if (f.queue_to && message.queue_offset >= *f.queue_to) return false;
  if (content_ && !properties_selected(message)) return false;
  return pattern_ == nullptr || body_selected(message);
}

bool RecordSelector::properties_selected(const format::MessageView& message) const {
  const RecordFilter& f = *filter_;
  const format::StoreProperties found = format::store_properties(message.properties);
  const auto listed = [](const std::vector<std::string>& wanted, std::string_view value) {
    return std::ranges::find(wanted, value) != wanted.end();
  };
  if (!f.tags.empty() && !(found.tags && listed(f.tags, *found.tags))) return false;
  if (!f.keys.empty()) {
    bool any = found.uniq_key && listed(f.keys, *found.uniq_key);
    if (found.keys)
      format::for_each_key(*found.keys, [&](std::string_view key) { any = any || listed(f.keys, key); });
    if (!any) return false;
  }
  if (!f.message_ids.empty() && !(found.uniq_key && listed(f.message_ids, *found.uniq_key)) &&
      !listed(f.message_ids, format::offset_message_id(message))) {
    return false;
  }
  return std::ranges::all_of(f.properties, [&](const auto& property) {
    const auto value = format::find_property(message.properties, property.first);
    return value && *value == property.second;
  });
}

bool RecordSelector::body_selected(const format::MessageView& message) const {
  std::span<const std::byte> body = message.body;
  std::vector<std::byte> plain;
  if ((message.sys_flag & format::kSysFlagCompressed) != 0) {
    if (auto decoded = codec::decompress(message.sys_flag, body)) {
      plain = *std::move(decoded);
      body = plain;
    }
  }
  const std::string_view text = as_text(body);
  try {
    return boost::regex_search(text.begin(), text.end(), pattern_->expression);
  } catch (const boost::regex_error&) {
    return true;  // too complex for this body: rather one record too many than one that goes missing
  }
}

}  // namespace rmq::forensics
