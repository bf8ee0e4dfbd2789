"""What Skipstone promises not to lose, get wrong or endanger, with the test and the figure that show it."""
