#include "servers/wire/frame.h"

#include "libstore/bytes/big_endian.h"

namespace rmq::wire {
namespace {

constexpr std::size_t kLengthField = 4;
constexpr std::int64_t kHeaderLengthMask = 0xFFFFFF;

DecodeError lie(DecodeFault fault, std::size_t at) { return DecodeError{fault, at}; }

}  // namespace

Decoded<std::optional<Frame>> next_frame(std::span<const std::byte> received) {
  std::optional<Frame> frame;
  if (received.size() < kLengthField) return frame;
  const std::int64_t total = load_be<std::int32_t>(received.data());
  if (total < static_cast<std::int64_t>(kFrameHead - kLengthField) ||
      total > static_cast<std::int64_t>(kMaxFrame - kLengthField))
    return lie(DecodeFault::bad_length, 0);
  if (received.size() < kFrameHead) return frame;
  const auto type = static_cast<std::uint8_t>(received[kLengthField]);
  if (type > static_cast<std::uint8_t>(SerializeType::rocketmq))
    return lie(DecodeFault::bad_field, kLengthField);
  const auto header =
      static_cast<std::size_t>(load_be<std::int32_t>(received.data() + kLengthField) & kHeaderLengthMask);
  const std::size_t size = static_cast<std::size_t>(total) + kLengthField;
  if (header > size - kFrameHead || header > kMaxHeader) return lie(DecodeFault::bad_length, kLengthField);
  if (received.size() < size) return frame;
  frame = Frame{static_cast<SerializeType>(type), received.subspan(kFrameHead, header),
                received.subspan(kFrameHead + header, size - kFrameHead - header), size};
  return frame;
}

std::size_t frame_size(std::span<const std::byte> received) {
  if (received.size() < kLengthField) return 0;
  return kLengthField + static_cast<std::uint32_t>(load_be<std::int32_t>(received.data()));
}

}  // namespace rmq::wire
