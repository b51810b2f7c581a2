// The body of a batch of messages: elements one behind the other, each with its size, flag, body and
// properties. RocketMQ: MessageDecoder.encodeMessages, read by MessageExtEncoder.encode(MessageExtBatch).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace rmq::broker {

struct BatchElement {
  std::int32_t flag = 0;
  std::span<const std::byte> body;
  std::string_view properties;
};

// Borrows from the body; allocation-free. Every length is checked against what is left.
class BatchReader {
 public:
  explicit BatchReader(std::span<const std::byte> body) : rest_(body) {}
  // Nothing at the end, and where what follows is no element: failed() tells which.
  [[nodiscard]] std::optional<BatchElement> next();
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  std::span<const std::byte> rest_;
  bool failed_ = false;
};

// How many elements there are; nothing where the body is no batch.
[[nodiscard]] std::optional<std::int32_t> count_batch_elements(std::span<const std::byte> body);

}  // namespace rmq::broker
