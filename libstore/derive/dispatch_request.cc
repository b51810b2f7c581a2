#include "libstore/derive/dispatch_request.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "libstore/format/message_properties.h"

namespace rmq::derive {
namespace {

constexpr std::string_view kLmqPrefix = "%LMQ%";             // MixAll.LMQ_PREFIX
constexpr std::string_view kRetryPrefix = "%RETRY%";         // MixAll.RETRY_GROUP_TOPIC_PREFIX
constexpr std::string_view kSystemTopicPrefix = "rmq_sys_";  // TopicValidator.SYSTEM_TOPIC_PREFIX
constexpr std::string_view kWhitespace = " \t\n\v\f\r";

// Java's parseLong and parseShort, which also take a sign.
template <class Number>
bool parse_java_number(std::string_view text, Number& value) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return false;
  }
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return fault == std::errc{} && end == text.data() + text.size() && !text.empty();
}

// MultiDispatchUtils.isNeedHandleMultiDispatch.
bool takes_multi_dispatch(std::string_view topic) {
  return !topic.starts_with(kRetryPrefix) && !topic.starts_with(kSystemTopicPrefix) &&
         topic != format::kScheduleTopic;
}

// StringUtils.isBlank.
bool is_blank(std::string_view text) { return text.find_first_not_of(kWhitespace) == std::string_view::npos; }

// What String.split(",") leaves: nothing behind the last part that is not empty.
std::string_view without_empty_end(std::string_view list) {
  return list.substr(0, list.find_last_not_of(',') + 1);
}

std::string_view take_part(std::string_view& list) {
  const std::size_t comma = list.find(',');
  const std::string_view part = list.substr(0, comma);
  list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  return part;
}

}  // namespace

Decoded<DispatchRequest> dispatch_request(const format::MessageView& message, std::int64_t log_offset,
                                          const DispatchRules& rules) {
  return dispatch_request(message, format::store_properties(message.properties), log_offset, rules);
}

Decoded<DispatchRequest> dispatch_request(const format::MessageView& message,
                                          const format::StoreProperties& properties, std::int64_t log_offset,
                                          const DispatchRules& rules) {
  const Decoded<std::int64_t> tags_code = format::tags_code(message, properties, rules.delay_levels);
  if (!tags_code) return tags_code.error();

  DispatchRequest request;
  request.topic = message.topic;
  request.queue_id = message.queue_id;
  request.size = message.total_size;
  request.queue_offset = message.queue_offset;
  request.log_offset = log_offset;
  request.tags_code = *tags_code;
  request.store_timestamp = message.store_timestamp;
  request.sys_flag = message.sys_flag;
  request.base_offset = message.queue_offset;
  request.uniq_key = properties.uniq_key;
  if (properties.keys) request.keys = *properties.keys;

  // CommitLog.setBatchSizeIfNeeded: both or none.
  if (properties.inner_num) {
    const auto base = format::find_property(message.properties, format::kPropertyInnerBase);
    if (base && !(parse_java_number(*base, request.base_offset) &&
                  parse_java_number(*properties.inner_num, request.batch_size))) {
      return DecodeError{DecodeFault::bad_field, 0};
    }
  }
  if (rules.multi_dispatch && properties.multi_dispatch && properties.multi_queue_offset &&
      takes_multi_dispatch(message.topic) && !is_blank(*properties.multi_dispatch) &&
      !is_blank(*properties.multi_queue_offset)) {
    request.lmq = rules.lmq;
    request.multi_queues = *properties.multi_dispatch;
    request.multi_offsets = *properties.multi_queue_offset;
  }
  return request;
}

MultiQueueReader::MultiQueueReader(const DispatchRequest& request)
    : names_(without_empty_end(request.multi_queues)),
      offsets_(without_empty_end(request.multi_offsets)),
      queue_id_(request.queue_id),
      lmq_(request.lmq) {
  if (names_.empty() != offsets_.empty() ||
      std::ranges::count(names_, ',') != std::ranges::count(offsets_, ','))
    names_ = {};
}

std::optional<MultiQueue> MultiQueueReader::next() {
  while (!names_.empty()) {
    MultiQueue queue;
    queue.name = take_part(names_);
    const std::string_view offset = take_part(offsets_);
    if (queue.name.find('/') != std::string_view::npos) continue;
    if (!parse_java_number(offset, queue.queue_offset)) continue;
    queue.queue_id = lmq_ && queue.name.starts_with(kLmqPrefix) ? 0 : queue_id_;
    return queue;
  }
  return std::nullopt;
}

}  // namespace rmq::derive
