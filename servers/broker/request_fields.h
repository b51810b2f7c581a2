// Takes a request's header fields as RocketMQ's command headers do: what is missing or no number becomes the
// answer that a Java broker gives for it.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "servers/broker/codes.h"
#include "servers/wire/command.h"

namespace rmq::broker {

[[nodiscard]] inline wire::Response answer(ResponseCode code, std::optional<std::string> remark = {}) {
  return {.code = static_cast<std::int32_t>(code),
          .remark = std::move(remark),
          .fields = {},
          .body = {},
          .parts = {}};
}
[[nodiscard]] inline wire::Response answer_success() { return answer(ResponseCode::success); }

// Every take gives something sensible, also after a failure; look at failed() once, behind the last one.
//
//   RequestFields fields(request);
//   const std::string_view topic = fields.text("topic");
//   const std::int32_t queue = fields.int32("queueId");
//   if (fields.failed()) return responder.send(fields.failure());
class RequestFields {
 public:
  explicit RequestFields(const wire::Request& request) : request_(request) {}

  // Mandatory (@CFNotNull).
  [[nodiscard]] std::string_view text(std::string_view name) {
    const auto value = request_.field(name);
    if (!value) note("the custom field <" + std::string(name) + "> is null");
    return value.value_or(std::string_view());
  }
  [[nodiscard]] std::int32_t int32(std::string_view name) { return number<std::int32_t>(name, text(name)); }
  [[nodiscard]] std::int64_t int64(std::string_view name) { return number<std::int64_t>(name, text(name)); }
  [[nodiscard]] bool flag(std::string_view name) { return is_true(text(name)); }

  // Optional.
  [[nodiscard]] std::string_view text(std::string_view name, std::string_view without) const {
    return request_.field(name).value_or(without);
  }
  [[nodiscard]] std::int32_t int32(std::string_view name, std::int32_t without) {
    const auto value = request_.field(name);
    return value ? number<std::int32_t>(name, *value) : without;
  }
  [[nodiscard]] std::int64_t int64(std::string_view name, std::int64_t without) {
    const auto value = request_.field(name);
    return value ? number<std::int64_t>(name, *value) : without;
  }
  [[nodiscard]] bool flag(std::string_view name, bool without) const {
    const auto value = request_.field(name);
    return value ? is_true(*value) : without;
  }

  [[nodiscard]] bool failed() const { return !problem_.empty(); }
  [[nodiscard]] wire::Response failure() const { return answer(ResponseCode::system_error, problem_); }

 private:
  // Boolean.parseBoolean.
  [[nodiscard]] static bool is_true(std::string_view value) {
    constexpr std::string_view kTrue = "true";
    if (value.size() != kTrue.size()) return false;
    for (std::size_t at = 0; at < kTrue.size(); ++at)
      if ((value[at] | 0x20) != kTrue[at]) return false;
    return true;
  }
  template <class T>
  [[nodiscard]] T number(std::string_view name, std::string_view value) {
    T parsed = 0;
    if (value.starts_with('+')) value.remove_prefix(1);
    const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (problem != std::errc{} || end != value.data() + value.size())
      note("the custom field <" + std::string(name) + "> is no number: " + std::string(value.substr(0, 40)));
    return parsed;
  }
  void note(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
  }

  const wire::Request& request_;
  std::string problem_;
};

}  // namespace rmq::broker
