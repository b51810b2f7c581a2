#include "libstore/codec/body_codec.h"

#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>

namespace rmq::codec {
namespace {

using Bytes = std::span<const std::byte>;
using Plain = Decoded<std::vector<std::byte>>;

// The bits of SYSFLAG that name the compression (MessageSysFlag.COMPRESSION_TYPE_COMPARATOR).
constexpr std::int32_t kTypeMask = 0x7;
constexpr int kTypeShift = 8;

// Output that grows with what really comes out and never past the limit.
class Output {
 public:
  Output(std::size_t limit, std::size_t input_size)
      : limit_(limit), bytes_(std::min(limit, std::max<std::size_t>(input_size, 256) * 4)) {}

  // Room for more; empty when the limit is reached.
  std::span<std::byte> room() {
    if (used_ == bytes_.size()) bytes_.resize(std::min(limit_, bytes_.size() * 2));
    return std::span(bytes_).subspan(used_);
  }
  void used(std::size_t count) { used_ += count; }
  std::vector<std::byte> take() && {
    bytes_.resize(used_);
    return std::move(bytes_);
  }

 private:
  std::size_t limit_;
  std::size_t used_ = 0;
  std::vector<std::byte> bytes_;
};

struct InflateEnd {
  void operator()(z_stream* stream) const {
    inflateEnd(stream);
    delete stream;
  }
};

Plain inflate_body(Bytes body, std::size_t limit) {
  if (body.size() > std::numeric_limits<uInt>::max()) return DecodeError{DecodeFault::bad_length, 0};
  std::unique_ptr<z_stream, InflateEnd> stream(new z_stream{});
  if (inflateInit(stream.get()) != Z_OK) return DecodeError{DecodeFault::bad_length, 0};
  // zlib reads only; its pointer is not const for historical reasons.
  stream->next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(body.data()));
  stream->avail_in = static_cast<uInt>(body.size());
  Output out(limit, body.size());
  std::byte spare{};  // tells the end of a stream that fills the limit exactly from one that goes on
  while (true) {
    const auto room = out.room();
    const auto size = static_cast<uInt>(std::min<std::size_t>(room.size(), std::numeric_limits<uInt>::max()));
    stream->next_out = reinterpret_cast<Bytef*>(room.empty() ? &spare : room.data());
    stream->avail_out = room.empty() ? 1 : size;
    const int result = inflate(stream.get(), Z_NO_FLUSH);
    const std::size_t at = body.size() - stream->avail_in;
    if (room.empty() && stream->avail_out == 0) return DecodeError{DecodeFault::bad_length, at};
    if (!room.empty()) out.used(size - stream->avail_out);
    if (result == Z_STREAM_END) return std::move(out).take();
    if (result == Z_OK && (stream->avail_in != 0 || stream->avail_out == 0)) continue;
    if (result == Z_OK || result == Z_BUF_ERROR) return DecodeError{DecodeFault::truncated, at};
    const bool checksum = stream->msg != nullptr && std::string_view(stream->msg) == "incorrect data check";
    return DecodeError{checksum ? DecodeFault::bad_crc : DecodeFault::bad_magic, at};
  }
}

struct Lz4Free {
  void operator()(LZ4F_dctx* context) const { LZ4F_freeDecompressionContext(context); }
};

Plain lz4_body(Bytes body, std::size_t limit) {
  LZ4F_dctx* made = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION)) != 0) {
    return DecodeError{DecodeFault::bad_length, 0};
  }
  const std::unique_ptr<LZ4F_dctx, Lz4Free> context(made);
  Output out(limit, body.size());
  std::byte spare{};
  std::size_t at = 0;
  // Frames may follow one another (LZ4FrameInputStream reads them all).
  while (true) {
    const auto room = out.room();
    std::size_t written = room.empty() ? 1 : room.size();
    std::size_t read = body.size() - at;
    const std::size_t hint = LZ4F_decompress(context.get(), room.empty() ? &spare : room.data(), &written,
                                             body.data() + at, &read, nullptr);
    if (LZ4F_isError(hint) != 0) {
      const std::string_view name = LZ4F_getErrorName(hint);
      return DecodeError{name.find("hecksum") != name.npos ? DecodeFault::bad_crc : DecodeFault::bad_magic,
                         at};
    }
    at += read;
    if (room.empty() && written != 0) return DecodeError{DecodeFault::bad_length, at};
    if (!room.empty()) out.used(written);
    if (at == body.size() && hint == 0) return std::move(out).take();
    if (read == 0 && written == 0) return DecodeError{DecodeFault::truncated, at};
  }
}

struct ZstdFree {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

Plain zstd_body(Bytes body, std::size_t limit) {
  const std::unique_ptr<ZSTD_DCtx, ZstdFree> context(ZSTD_createDCtx());
  if (context == nullptr) return DecodeError{DecodeFault::bad_length, 0};
  Output out(limit, body.size());
  std::byte spare{};
  ZSTD_inBuffer input{body.data(), body.size(), 0};
  // Frames may follow one another (ZstdInputStream reads them all).
  while (true) {
    const auto room = out.room();
    ZSTD_outBuffer output{room.empty() ? &spare : room.data(), room.empty() ? 1 : room.size(), 0};
    const std::size_t before = input.pos;
    const std::size_t hint = ZSTD_decompressStream(context.get(), &output, &input);
    if (ZSTD_isError(hint) != 0) {
      switch (ZSTD_getErrorCode(hint)) {
        case ZSTD_error_checksum_wrong: return DecodeError{DecodeFault::bad_crc, input.pos};
        case ZSTD_error_memory_allocation:
        case ZSTD_error_frameParameter_windowTooLarge: return DecodeError{DecodeFault::bad_length, input.pos};
        default: return DecodeError{DecodeFault::bad_magic, input.pos};
      }
    }
    if (room.empty() && output.pos != 0) return DecodeError{DecodeFault::bad_length, input.pos};
    if (!room.empty()) out.used(output.pos);
    if (input.pos == input.size && hint == 0) return std::move(out).take();
    if (input.pos == before && output.pos == 0) return DecodeError{DecodeFault::truncated, input.pos};
  }
}

}  // namespace

Decoded<std::vector<std::byte>> decompress(std::int32_t sys_flag, std::span<const std::byte> body,
                                           std::size_t limit) {
  if (body.empty()) return std::vector<std::byte>{};
  switch ((sys_flag >> kTypeShift) & kTypeMask) {
    case 0:  // 4.x wrote no type
    case 3: return inflate_body(body, limit);
    case 1: return lz4_body(body, limit);
    case 2: return zstd_body(body, limit);
    default: return DecodeError{DecodeFault::bad_field, 0};
  }
}

}  // namespace rmq::codec
