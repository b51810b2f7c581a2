// Which records, queues and units a user asked for.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/format/commit_log_record.h"

namespace rmq::forensics {

struct NumberRange {
  std::int64_t first = 0;
  std::int64_t last = 0;  // inclusive
};

// Ranges are half-open (from <= x < to) except queue ids. An empty list or an absent value filters nothing.
struct RecordFilter {
  std::vector<std::string> topics;           // globs, any may match
  std::vector<std::string> excluded_topics;  // globs, none may match
  std::vector<NumberRange> queue_ids;
  bool no_system = false;
  std::optional<std::int64_t> since_ms;  // store time
  std::optional<std::int64_t> until_ms;
  std::optional<std::int64_t> from;  // physical offset
  std::optional<std::int64_t> to;
  std::optional<std::int64_t> queue_from;
  std::optional<std::int64_t> queue_to;
  std::vector<std::string> keys;         // KEYS or UNIQ_KEY holds one of them
  std::vector<std::string> message_ids;  // offset message id or UNIQ_KEY
  std::vector<std::string> tags;
  std::vector<std::pair<std::string, std::string>> properties;  // all have to match
  std::optional<std::string> body_pattern;  // ECMAScript regular expression, on the plain body
  std::optional<std::int64_t> limit;
  std::optional<std::int64_t> tail;

  // Any condition that a topic's name or a record's content decides.
  [[nodiscard]] bool selects_records() const;
};

// `*` any text, `?` one character, `[a-c]` one of; `\` takes the next character as it is.
[[nodiscard]] bool matches_glob(std::string_view pattern, std::string_view text);
// RocketMQ: TopicValidator.isSystemTopic, and the names brokers and clusters make for themselves.
[[nodiscard]] bool is_system_topic(std::string_view topic);

// Remembers which patterns and queue ids ever matched. Thread-safe.
class TopicMatcher {
 public:
  explicit TopicMatcher(const RecordFilter& filter);
  [[nodiscard]] bool matches(std::string_view topic);
  // `queue_id` is one of a topic that matches.
  [[nodiscard]] bool matches_queue(std::int64_t queue_id);
  // The topic patterns (wanted and excluded) that no topic given to matches() ever matched.
  [[nodiscard]] std::vector<std::string> unmatched() const;
  // The queue ids and ranges that no id given to matches_queue() lay in.
  [[nodiscard]] std::vector<NumberRange> unmatched_queues() const;

 private:
  const RecordFilter& filter_;
  std::vector<std::atomic<bool>> wanted_seen_;
  std::vector<std::atomic<bool>> excluded_seen_;
  std::vector<std::atomic<bool>> queues_seen_;
};

// Decides record by record. One for each thread; the matcher is shared.
class RecordSelector {
 public:
  // Fails with wrong_use on a body pattern that is no regular expression.
  [[nodiscard]] static Result<RecordSelector> make(const RecordFilter& filter, TopicMatcher& topics);
  RecordSelector(RecordSelector&&) noexcept;
  ~RecordSelector();

  [[nodiscard]] bool selects(const format::MessageView& message);

 private:
  struct Pattern;
  RecordSelector(const RecordFilter& filter, TopicMatcher& topics);
  bool topic_selected(std::string_view topic);
  bool properties_selected(const format::MessageView& message) const;
  bool body_selected(const format::MessageView& message) const;

  const RecordFilter* filter_;
  TopicMatcher* topics_;
  bool content_;  // any condition on properties or body
  std::unordered_map<std::string, bool> known_topics_;
  std::string last_topic_;
  bool last_selected_ = false;
  std::unique_ptr<Pattern> pattern_;
};

// The error for patterns and queue ids that matched nothing; nullopt when all did or nobody minds.
[[nodiscard]] std::optional<Error> unmatched_patterns_error(const TopicMatcher& topics, bool strict);

}  // namespace rmq::forensics
