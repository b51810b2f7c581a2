#include "libstore/codec/body_codec.h"

#include <gtest/gtest.h>
#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#include <string>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/sys_flag.h"

namespace rmq::codec {
namespace {

using format::kSysFlagCompressed;
using format::kSysFlagCompressionLz4;
using format::kSysFlagCompressionZlib;
using format::kSysFlagCompressionZstd;
using Bytes = std::vector<std::byte>;

Bytes zlib_of(std::string_view text) {
  uLongf size = compressBound(text.size());
  Bytes out(size);
  compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(text.data()),
            text.size(), 5);
  out.resize(size);
  return out;
}

Bytes lz4_of(std::string_view text) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
  Bytes out(LZ4F_compressFrameBound(text.size(), &preferences));
  out.resize(LZ4F_compressFrame(out.data(), out.size(), text.data(), text.size(), &preferences));
  return out;
}

Bytes zstd_of(std::string_view text) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  Bytes out(ZSTD_compressBound(text.size()));
  out.resize(ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return out;
}

struct Kind {
  const char* name;
  std::int32_t sys_flag;
  Bytes (*compress)(std::string_view);
  bool reads_all;  // what follows the stream is read as another one
};

class BodyCodec : public testing::TestWithParam<Kind> {};

INSTANTIATE_TEST_SUITE_P(
    Kinds, BodyCodec,
    testing::Values(Kind{"zlib_untyped", kSysFlagCompressed, zlib_of, false},
                    Kind{"zlib", kSysFlagCompressed | kSysFlagCompressionZlib, zlib_of, false},
                    Kind{"lz4", kSysFlagCompressed | kSysFlagCompressionLz4, lz4_of, true},
                    Kind{"zstd", kSysFlagCompressed | kSysFlagCompressionZstd, zstd_of, true}),
    [](const auto& kind) { return kind.param.name; });

std::string sample(std::size_t size) {
  std::string text;
  for (std::uint32_t i = 0; text.size() < size; ++i) text += std::to_string(i * 2654435761U) + ' ';
  text.resize(size);
  return text;
}

TEST_P(BodyCodec, GivesBackWhatWasCompressed) {
  for (const std::size_t size : {0U, 1U, 100U, 4096U, 70'000U, 3'000'000U}) {
    const std::string text = sample(size);
    const auto plain = decompress(GetParam().sys_flag, GetParam().compress(text));
    ASSERT_TRUE(plain) << size;
    EXPECT_EQ(as_text(*plain), text) << size;
  }
}

TEST_P(BodyCodec, TheLimitIsExact) {
  const std::string text = sample(100'000);
  const Bytes body = GetParam().compress(text);
  EXPECT_TRUE(decompress(GetParam().sys_flag, body, text.size()));
  const auto over = decompress(GetParam().sys_flag, body, text.size() - 1);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().fault, DecodeFault::bad_length);
}

TEST_P(BodyCodec, ABombStopsAtTheLimit) {
  const Bytes body = GetParam().compress(std::string(8 << 20, 'x'));
  ASSERT_LT(body.size(), 1U << 16);
  const auto plain = decompress(GetParam().sys_flag, body, 1 << 20);
  ASSERT_FALSE(plain);
  EXPECT_EQ(plain.error().fault, DecodeFault::bad_length);
}

TEST_P(BodyCodec, EveryTruncationIsNoticed) {
  const Bytes body = GetParam().compress(sample(300));
  for (std::size_t size = 1; size < body.size(); ++size) {
    const auto plain = decompress(GetParam().sys_flag, std::span(body).first(size));
    ASSERT_FALSE(plain) << size;
    EXPECT_EQ(plain.error().fault, DecodeFault::truncated) << size;
  }
}

TEST_P(BodyCodec, EveryBitFlipInTheStreamIsNoticedOrHarmless) {
  const std::string text = sample(300);
  Bytes body = GetParam().compress(text);
  for (std::size_t bit = 0; bit < body.size() * 8; ++bit) {
    body[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto plain = decompress(GetParam().sys_flag, body, 1 << 20);
    // All three carry a checksum of the content.
    if (plain) {
      EXPECT_EQ(as_text(*plain), text) << bit;
    }
    body[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

TEST_P(BodyCodec, BytesBehindTheStream) {
  Bytes body = GetParam().compress("hello");
  const Bytes more = GetParam().compress(" world");
  Bytes twice = body;
  twice.insert(twice.end(), more.begin(), more.end());
  const auto both = decompress(GetParam().sys_flag, twice);
  ASSERT_TRUE(both);
  EXPECT_EQ(as_text(*both), GetParam().reads_all ? "hello world" : "hello");
  for (const char c : std::string_view("garbage!")) body.push_back(static_cast<std::byte>(c));
  EXPECT_EQ(decompress(GetParam().sys_flag, body).has_value(), !GetParam().reads_all);
}

TEST(BodyCodecTypes, AnUnknownTypeIsBadField) {
  for (const std::int32_t type : {4, 5, 6, 7}) {
    const auto plain = decompress(kSysFlagCompressed | type << 8, zlib_of("x"));
    ASSERT_FALSE(plain);
    EXPECT_EQ(plain.error().fault, DecodeFault::bad_field);
  }
}

TEST(BodyCodecTypes, NothingStaysNothing) {
  const auto plain = decompress(kSysFlagCompressed, {});
  ASSERT_TRUE(plain);
  EXPECT_TRUE(plain->empty());
}

}  // namespace
}  // namespace rmq::codec
