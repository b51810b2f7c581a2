// A request's header fields with their types. RocketMQ: CommandCustomHeader,
// RemotingCommand.decodeCommandCustomHeader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "servers/wire/command.h"

namespace rmq::wire {

// Reads fields one by one; the first that is missing or no number is remembered, and all further readings
// give nothing of use: ask ok() before acting, and answer refusal() if not. Java refuses the same with
// code 1. Texts borrow from the request.
class FieldReader {
 public:
  explicit FieldReader(const Request& request) : request_(request) {}

  // Mandatory (@CFNotNull): "" or 0 where there is none.
  std::string_view text(std::string_view name);
  std::int32_t i32(std::string_view name);
  std::int64_t i64(std::string_view name);
  bool boolean(std::string_view name);  // Boolean.parseBoolean: true only for "true", in any case

  // Optional.
  [[nodiscard]] std::optional<std::string_view> text_if(std::string_view name) const {
    return request_.field(name);
  }
  std::string_view text_or(std::string_view name, std::string_view otherwise) const;
  std::int32_t i32_or(std::string_view name, std::int32_t otherwise);
  std::int64_t i64_or(std::string_view name, std::int64_t otherwise);
  std::optional<std::int32_t> i32_if(std::string_view name);
  std::optional<std::int64_t> i64_if(std::string_view name);
  [[nodiscard]] bool boolean_or(std::string_view name, bool otherwise) const;

  [[nodiscard]] bool ok() const { return remark_.empty(); }
  [[nodiscard]] const std::string& remark() const { return remark_; }
  [[nodiscard]] Response refusal() const;

 private:
  template <class T>
  std::optional<T> number(std::string_view name, std::string_view text);
  std::optional<std::string_view> mandatory(std::string_view name);

  const Request& request_;
  std::string remark_;  // of the first fault
};

}  // namespace rmq::wire
