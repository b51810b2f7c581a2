#include "libstore/codec/base64.h"

#include <openssl/evp.h>

namespace rmq::codec {

std::optional<std::vector<std::byte>> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0 || text.size() > (std::size_t{1} << 30)) return std::nullopt;
  // OpenSSL takes spaces at the ends, and '=' anywhere in the last quartet.
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.substr(0, text.size() - padding).find_first_not_of(kDigits) != std::string_view::npos)
    return std::nullopt;
  std::vector<std::byte> bytes(text.size() / 4 * 3);
  const int got =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (got < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(got) - padding);
  return bytes;
}

}  // namespace rmq::codec
