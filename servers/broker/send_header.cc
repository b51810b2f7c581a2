#include "servers/broker/send_header.h"

#include <array>

#include "servers/broker/codes.h"
#include "servers/broker/java_number.h"

namespace rmq::broker {
namespace {

// The fields in the order of their letters, a to n; n is the broker's name, which nobody here asks for.
constexpr std::array<std::string_view, 13> kNames = {
    "producerGroup", "topic", "defaultTopic", "defaultTopicQueueNums", "queueId",  "sysFlag",
    "bornTimestamp", "flag",  "properties",   "reconsumeTimes",        "unitMode", "maxReconsumeTimes",
    "batch"};
constexpr std::size_t kMandatory = 8;  // the first so many

class Values {
 public:
  explicit Values(const wire::Request& request) : letters_(is_short(request)) {
    for (const auto& [name, value] : request.fields) {
      const std::size_t index = index_of(name);
      if (index < kNames.size()) values_[index] = value;
    }
  }

  [[nodiscard]] std::optional<std::size_t> first_missing() const {
    for (std::size_t i = 0; i < kMandatory; ++i)
      if (!values_[i]) return i;
    return std::nullopt;
  }
  [[nodiscard]] std::string_view text(std::size_t index) const { return values_[index].value_or(""); }
  template <class T>
  void number(std::size_t index, T& into) {
    if (values_[index] && !parse_java_number(*values_[index], into) && !bad_) bad_ = index;
  }
  [[nodiscard]] bool flag(std::size_t index) const { return is_java_true(text(index)); }
  [[nodiscard]] bool has(std::size_t index) const { return values_[index].has_value(); }
  [[nodiscard]] std::optional<std::size_t> first_bad() const { return bad_; }
  [[nodiscard]] std::string name(std::size_t index) const {
    return letters_ ? std::string(1, static_cast<char>('a' + index)) : std::string(kNames[index]);
  }

 private:
  static bool is_short(const wire::Request& request) {
    return request.code != static_cast<std::int32_t>(RequestCode::send_message);
  }
  [[nodiscard]] std::size_t index_of(std::string_view name) const {
    if (letters_)
      return name.size() == 1 && name[0] >= 'a' ? static_cast<std::size_t>(name[0] - 'a') : kNames.size();
    for (std::size_t i = 0; i < kNames.size(); ++i)
      if (kNames[i] == name) return i;
    return kNames.size();
  }

  bool letters_;
  std::array<std::optional<std::string_view>, kNames.size()> values_;
  std::optional<std::size_t> bad_;
};

enum : std::size_t { a, b, c, d, e, f, g, h, i, j, k, l, m };

}  // namespace

Result<SendHeader> parse_send_header(const wire::Request& request) {
  Values values(request);
  if (const auto missing = values.first_missing())
    return wrong_use("the custom field <" + values.name(*missing) + "> is null");
  SendHeader header;
  header.producer_group = values.text(a);
  header.topic = values.text(b);
  header.default_topic = values.text(c);
  values.number(d, header.default_topic_queues);
  values.number(e, header.queue_id);
  values.number(f, header.sys_flag);
  values.number(g, header.born_timestamp);
  values.number(h, header.flag);
  header.properties = values.text(i);
  values.number(j, header.reconsume_times);
  header.unit_mode = values.flag(k);
  if (values.has(l)) values.number(l, header.max_reconsume_times.emplace());
  header.batch = values.flag(m);
  if (const auto bad = values.first_bad())
    return wrong_use("the custom field <" + values.name(*bad) + "> is no number");
  return header;
}

}  // namespace rmq::broker
