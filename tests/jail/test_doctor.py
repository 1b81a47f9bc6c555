"""penny-sandbox doctor in each tier of isolation."""

from harness.doctor import compare_with_health


def test_it_says_of_the_jail_what_the_service_says(tier_server):
    compare_with_health(tier_server)
