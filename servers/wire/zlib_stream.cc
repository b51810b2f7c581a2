#include "servers/wire/zlib_stream.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace rmq::wire {
namespace {

constexpr std::size_t kStep = std::size_t{64} << 10;

// zlib takes what it only reads as Bytef*.
Bytef* input(const void* bytes) { return static_cast<Bytef*>(const_cast<void*>(bytes)); }

class Inflater {
 public:
  Inflater() { ready_ = inflateInit(&stream_) == Z_OK; }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  Result<std::string> run(std::span<const std::byte> packed, std::size_t limit) {
    if (!ready_ || packed.size() > std::numeric_limits<uInt>::max()) return wrong_use("cannot unpack");
    stream_.next_in = input(packed.data());
    stream_.avail_in = static_cast<uInt>(packed.size());
    std::string out;
    while (true) {
      const std::size_t had = out.size();
      if (had > limit) return wrong_use("more than " + std::to_string(limit) + " bytes unpacked");
      out.resize(had + std::min(kStep, limit - had + 1));
      void* const at = out.data() + had;
      stream_.next_out = static_cast<Bytef*>(at);
      stream_.avail_out = static_cast<uInt>(out.size() - had);
      const int code = ::inflate(&stream_, Z_NO_FLUSH);
      out.resize(out.size() - stream_.avail_out);
      if (code == Z_STREAM_END || code == Z_BUF_ERROR) break;
      if (code != Z_OK) return wrong_use("damaged zlib stream");
    }
    if (out.size() > limit) return wrong_use("more than " + std::to_string(limit) + " bytes unpacked");
    return out;
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

}  // namespace

std::string deflate_best(std::string_view plain) {
  uLongf size = compressBound(static_cast<uLong>(plain.size()));
  std::string out(size, '\0');
  void* const at = out.data();
  compress2(static_cast<Bytef*>(at), &size, input(plain.data()), static_cast<uLong>(plain.size()),
            Z_BEST_COMPRESSION);
  out.resize(size);
  return out;
}

Result<std::string> inflate(std::span<const std::byte> packed, std::size_t limit) {
  Inflater inflater;
  return inflater.run(packed, limit);
}

}  // namespace rmq::wire
