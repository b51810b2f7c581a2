#include "libstore/codec/base64.h"

#include <gtest/gtest.h>

#include <string>

#include "libstore/bytes/big_endian.h"

namespace rmq::codec {
namespace {

std::optional<std::string> text_of(std::string_view base64) {
  const auto bytes = decode_base64(base64);
  if (!bytes) return std::nullopt;
  return std::string(as_text(*bytes));
}

TEST(Base64, Rfc4648) {
  EXPECT_EQ(text_of(""), "");
  EXPECT_EQ(text_of("Zg=="), "f");
  EXPECT_EQ(text_of("Zm8="), "fo");
  EXPECT_EQ(text_of("Zm9v"), "foo");
  EXPECT_EQ(text_of("Zm9vYg=="), "foob");
  EXPECT_EQ(text_of("Zm9vYmE="), "fooba");
  EXPECT_EQ(text_of("Zm9vYmFy"), "foobar");
  EXPECT_EQ(text_of("+/+/"), "\xFB\xFF\xBF");
}

TEST(Base64, WhatIsNone) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg= ", " Zg=", "Zg==Zg==", "Z===", "====", "Zm9\n", "Zm9*"}) {
    EXPECT_EQ(text_of(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace rmq::codec
